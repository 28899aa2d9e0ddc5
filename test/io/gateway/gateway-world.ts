import assert from "node:assert/strict";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { startFakeFederator } from "./fake-federator.ts";
import { eventually, type FunctionShape, tableEntries, testFederation } from "./run-gateway.ts";

/** One gateway with its table confirmed, and an agent for each of three zones, nearest first. */
export interface GatewayWorld {
  readonly gateway: RunningGateway;
  readonly agent: (index: number) => FakeAgent;
  readonly agents: readonly FakeAgent[];
  /** Calls of the function that reached each of the agents. */
  readonly callsOf: (functionName: string) => readonly number[];
  readonly stop: () => Promise<void>;
}

export async function startGatewayWorld(
  functions: readonly FunctionShape[],
): Promise<GatewayWorld> {
  const federation = await testFederation();
  const federator = await startFakeFederator();
  await federation.publish("federator", "eu-west", federator.url);
  federator.sendTable(tableEntries({ functions }), 1);
  // Without this, nothing that is bound to a region would be decided.
  federator.send({
    kind: "overlay",
    downClusters: [],
    validMs: 60_000,
    replicaAgeMs: 0,
    unchangedSince: { incarnation: "test", revision: 1 },
  });
  federator.send({
    kind: "rights",
    nonce: 2,
    leaseValidMs: 60_000,
    tenants: [{ tenant: "demo", floorMillionths: 1_000_000, leaseMillionths: 0 }],
  });
  const agents = await Promise.all(threeZones.map(({ name }) => startFakeAgent(name)));
  const agent = (index: number): FakeAgent => {
    const one = agents[index];
    assert.ok(one !== undefined);
    return one;
  };
  for (const [index, { name }] of threeZones.entries())
    await federation.publish("agent", name, agent(index).url);
  const gateway = await federation.startGateway();
  await eventually(() => agents.every(({ pings }) => pings >= 2));
  return {
    gateway,
    agent,
    agents,
    callsOf: (functionName) =>
      agents.map(
        ({ calls }) =>
          calls.filter(({ headers }) => headers["meridian-function"] === functionName).length,
      ),
    stop: async () => {
      await gateway.stop();
      await federator.close();
      await Promise.all(agents.map((one) => one.close()));
      await federation.remove();
    },
  };
}
