import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type Behaviour, type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import {
  eventually,
  invoke,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

describe("calls with a key at the gateway", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let gateway: RunningGateway;
  let agents: readonly FakeAgent[] = [];
  before(async () => {
    federation = await testFederation();
    federator = await startFakeFederator();
    await federation.publish("federator", "eu-west", federator.url);
    agents = await Promise.all(threeZones.map(({ name }) => startFakeAgent(name)));
    for (const [index, { name }] of threeZones.entries())
      await federation.publish("agent", name, agents[index]?.url ?? "");
    // One for each test whose calls fail: circuits are of a function.
    const functions = [
      { name: "once" },
      { name: "once-keyed" },
      { name: "once-of-sdk" },
      { name: "once-refused" },
      { name: "again", idempotent: true },
    ];
    federator.sendTable(tableEntries({ functions }), 1);
    federator.grantAll();
    gateway = await federation.startGateway();
    await eventually(() => agents.every(({ pings }) => pings >= 2));
    await eventually(async () => (await invoke(gateway, "once")).status === 200);
  });
  after(async () => {
    await gateway.stop();
    await federator.close();
    await Promise.all(agents.map((one) => one.close()));
    await federation.remove();
  });
  beforeEach(() => {
    for (const one of agents) one.calls.length = 0;
  });

  const send = (functionName: string, behaviour: Behaviour, headers: Record<string, string>) => {
    const [nearest] = agents;
    assert.ok(nearest !== undefined);
    nearest.behaviour = behaviour;
    return invoke(gateway, functionName, { headers });
  };
  const keyed = { "idempotency-key": "k-1" };
  const arrivals = (): number[] => agents.map(({ calls }) => calls.length);

  test("key and alias go to the agent under names that no caller can use", async () => {
    const forged = { "meridian-idempotency-key": "forged", "meridian-alias": "forged" };
    assert.equal((await send("once", "answer", { ...keyed, ...forged })).status, 200);
    const sent = agents[0]?.calls[0]?.headers;
    assert.equal(sent?.["meridian-idempotency-key"], "k-1");
    assert.equal(sent?.["meridian-alias"], "live");
    await send("once", "answer", forged);
    assert.equal(agents[0]?.calls[1]?.headers["meridian-idempotency-key"], undefined);
  });

  test("a key that is none is refused at the door", async () => {
    const answer = await send("once", "answer", { "idempotency-key": "two words" });
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /1 to 255 visible ASCII characters/);
    assert.deepEqual(arrivals(), [0, 0, 0]);
  });

  test("a key that belongs to another request is refused as the agent says, and goes nowhere else", async () => {
    const answer = await send("again", "refuse-key", keyed);
    assert.equal(answer.status, 422);
    assert.deepEqual(arrivals(), [1, 0, 0]);
  });

  for (const [name, headers] of [
    ["once-keyed", keyed],
    ["once-of-sdk", { "amz-sdk-invocation-id": "a-b-c" }],
  ] as const)
    test(`${Object.keys(headers)[0]} permits no second cluster where the call may have run`, async () => {
      for (const behaviour of ["reset", "platform-failure"] as const)
        assert.equal((await send(name, behaviour, headers)).status, 502);
      assert.deepEqual(arrivals(), [2, 0, 0]);
    });

  test("what surely did not run goes elsewhere, and takes its key along", async () => {
    assert.equal((await send("once-refused", "refuse", keyed)).status, 200);
    assert.deepEqual(arrivals(), [1, 1, 0]);
    assert.equal(agents[1]?.calls[0]?.headers["meridian-idempotency-key"], "k-1");
  });

  test("where the plan divides calls among clusters, those with one key meet the same one", async () => {
    const plan: RouteEntry = {
      kind: "plan",
      capacitySlots: {},
      demand: {},
      awaitsFailback: [],
      shifts: [{ id: "sh-1", fromCluster: "eu-west-1", toCluster: "ap-south-1", percent: 50 }],
    };
    federator.sendTable([...tableEntries({ functions: [{ name: "once" }] }), plan], 2);
    await eventually(() => federator.acks.some(({ position }) => (position?.revision ?? 0) >= 2));
    const zones = new Map<string, Set<string>>();
    for (const round of [1, 2, 3])
      for (let index = 0; index < 16; index += 1) {
        const key = `k-${index}`;
        const answer = await send("once", "answer", { "idempotency-key": key });
        assert.equal(answer.status, 200, `round ${round}`);
        const met = zones.get(key) ?? new Set();
        zones.set(key, met.add(answer.headers.get("meridian-zone") ?? ""));
      }
    assert.deepEqual([...new Set([...zones.values()].map(({ size }) => size))], [1]);
    const all = new Set([...zones.values()].flatMap((met) => [...met]));
    assert.deepEqual([...all].toSorted(byText), ["ap-south", "eu-west"]);
  });
});

const byText = (one: string, other: string): number => (one < other ? -1 : 1);
