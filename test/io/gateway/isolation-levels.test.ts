import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RouteExplanation } from "#lib/contracts/api-status.ts";
import type { IsolationLevel } from "#lib/contracts/isolation.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import type { FakeAgent } from "./fake-agent.ts";
import type { FakeFederator } from "./fake-federator.ts";
import {
  DEMO_KEY,
  eventually,
  federatorWith,
  invoke,
  publishAgents,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

const functions = [
  { name: "anyhow" },
  { name: "guarded", minIsolation: "L2" as const },
  { name: "caged", minIsolation: "L5" as const },
];

describe("a gateway among clusters of different isolation", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let gateway: RunningGateway;
  let agents: readonly FakeAgent[] = [];
  let revision = 1;

  before(async () => {
    federation = await testFederation();
    federator = await federatorWith(federation, functions);
    agents = await publishAgents(federation);
    gateway = await federation.startGateway();
    await eventually(() => agents.every(({ pings }) => pings >= 2));
  });
  after(async () => {
    await gateway.stop();
    await federator.close();
    await Promise.all(agents.map((agent) => agent.close()));
    await federation.remove();
  });

  async function proved(levels: Readonly<Record<string, IsolationLevel>>): Promise<void> {
    revision += 1;
    federator.sendTable(tableEntries({ functions, levels }), revision);
    await eventually(() =>
      federator.acks.some(({ position }) => (position?.revision ?? 0) >= revision),
    );
  }
  const zoneOf = async (name: string): Promise<string> => {
    const response = await invoke(gateway, name);
    await response.text();
    return response.headers.get("meridian-zone") ?? String(response.status);
  };
  const explain = async (name: string): Promise<RouteExplanation> => {
    const response = await fetch(
      `${gateway.publicUrl}/v1/route:explain?function=${name}&tenant=demo`,
      { headers: { authorization: `Bearer ${DEMO_KEY}` } },
    );
    return (await response.json()) as RouteExplanation;
  };

  test("calls pass by a cluster that is nearer and has proved too little", async () => {
    await proved({ "eu-west-1": "L1", "us-east-1": "L2", "ap-south-1": "L3" });
    assert.equal(await zoneOf("anyhow"), "eu-west");
    for (let call = 0; call < 5; call += 1) assert.equal(await zoneOf("guarded"), "us-east");
  });

  test("no failover leads to one either", async () => {
    await proved({ "eu-west-1": "L1", "us-east-1": "L2" });
    const [home, near, far] = agents;
    const before = [home?.calls.length, far?.calls.length];
    if (near !== undefined) near.behaviour = "refuse";
    const response = await invoke(gateway, "guarded");
    if (near !== undefined) near.behaviour = "answer";
    assert.equal(response.status, 503);
    await response.text();
    assert.deepEqual([home?.calls.length, far?.calls.length], before);
  });

  test("a level that falls takes the calls elsewhere", async () => {
    await proved({ "eu-west-1": "L2", "us-east-1": "L2" });
    assert.equal(await zoneOf("guarded"), "eu-west");
    await proved({ "eu-west-1": "L0", "us-east-1": "L2" });
    assert.equal(await zoneOf("guarded"), "us-east");
  });

  test("where no cluster is good enough the caller is told what each has proved", async () => {
    await proved({ "eu-west-1": "L4" });
    const response = await invoke(gateway, "caged");
    assert.equal(response.status, 503);
    const problem = (await response.json()) as { code: string; detail: string };
    assert.equal(problem.code, "MERIDIAN_ISOLATION_UNAVAILABLE");
    assert.match(
      problem.detail,
      /eu-west-1: it has proved L4.*us-east-1: it has proved nothing yet/,
    );
  });

  test("the explanation of a route says the same", async () => {
    await proved({ "eu-west-1": "L1", "us-east-1": "L2" });
    const { chosen, candidates } = await explain("guarded");
    assert.equal(chosen, "us-east-1");
    assert.deepEqual(
      candidates
        .filter(({ decision }) => decision === "refused")
        .map(({ clusterId, reason }) => [clusterId, reason]),
      [
        ["eu-west-1", "it has proved L1, and the function asks for L2"],
        ["ap-south-1", "it has proved nothing yet, and the function asks for L2"],
      ],
    );
  });
});
