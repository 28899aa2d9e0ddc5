import assert from "node:assert/strict";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { eventually, federatorWith, type FunctionShape, testFederation } from "./run-gateway.ts";

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
  const federator = await federatorWith(federation, functions);
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
