import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PlanRoute, RouteEntry } from "#lib/contracts/route-table.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import type { FakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import {
  DEMO_KEY,
  eventually,
  invoke,
  publishAgents,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

const calls = (normal: number) => ({ critical: 0, normal, batch: 0 });
const everywhere = <T>(value: T): Record<string, T> =>
  Object.fromEntries(threeZones.map(({ name }) => [name, value]));
const slots = (capacity: number): Record<string, number> =>
  Object.fromEntries(threeZones.map(({ clusterId }) => [clusterId, capacity]));

describe("a gateway with a plan", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let gateway: RunningGateway;
  let agents: readonly FakeAgent[] = [];
  let revision = 0;

  before(async () => {
    federation = await testFederation();
    federator = await startFakeFederator();
    await federation.publish("federator", "eu-west", federator.url);
    federator.grantAll();
    agents = await publishAgents(federation);
    gateway = await federation.startGateway();
    await inForce({});
    await eventually(() => agents.every(({ pings }) => pings >= 2));
  });
  after(async () => {
    await gateway.stop();
    await federator.close();
    await Promise.all(agents.map((agent) => agent.close()));
    await federation.remove();
  });

  /** Until the gateway has a table with this plan. */
  async function inForce(plan: Partial<PlanRoute>, ...others: RouteEntry[]): Promise<void> {
    revision += 1;
    const entry: PlanRoute = {
      kind: "plan",
      capacitySlots: {},
      demand: {},
      awaitsFailback: [],
      shifts: [],
      ...plan,
    };
    const entries = new Map(
      [...tableEntries({ functions: [{ name: "hello" }] }), entry, ...others].map((one) => [
        one.kind === "cluster" ? one.clusterId : JSON.stringify(one),
        one,
      ]),
    );
    federator.sendTable([...entries.values()], revision);
    await eventually(() =>
      federator.acks.some(({ position }) => (position?.revision ?? 0) >= revision),
    );
  }

  async function servedBy(count: number): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (let index = 0; index < count; index += 1) {
      const response = await invoke(gateway, "hello");
      await response.text();
      const zone = response.headers.get("meridian-zone") ?? `${response.status}`;
      counts.set(zone, (counts.get(zone) ?? 0) + 1);
    }
    return counts;
  }

  const explain = async (): Promise<{ candidates: { reason: string }[]; shedPercent?: number }> => {
    const response = await fetch(
      `${gateway.publicUrl}/v1/route:explain?function=hello&tenant=demo`,
      { headers: { authorization: `Bearer ${DEMO_KEY}` } },
    );
    return (await response.json()) as Awaited<ReturnType<typeof explain>>;
  };

  test("calls are divided by the shares of the plan, and the explanation names them", async () => {
    await inForce({ capacitySlots: slots(100), demand: everywhere(calls(50)) });
    assert.deepEqual([...(await servedBy(20)).keys()], ["eu-west"]);

    await inForce({
      shifts: [
        { id: "sh-00000000", fromCluster: "eu-west-1", toCluster: "ap-south-1", percent: 25 },
      ],
    });
    const counts = await servedBy(400);
    // Five standard deviations of 400 draws.
    assert.ok(Math.abs((counts.get("ap-south") ?? 0) - 100) <= 44, `${counts.get("ap-south")}`);
    assert.equal(counts.get("us-east"), undefined);
    const { candidates, shedPercent } = await explain();
    assert.match(candidates[0]?.reason ?? "", /takes (75|25) % of eu-west's calls/);
    assert.equal(shedPercent, undefined);
  });

  test("a draining cluster gets nothing, and a lost one's calls go where the plan for its loss says", async () => {
    await inForce(
      {},
      {
        kind: "cluster",
        clusterId: "eu-west-1",
        state: "up",
        weightPercent: 100,
        mode: "draining",
      },
    );
    assert.deepEqual([...(await servedBy(20)).keys()], ["us-east"]);

    await inForce({ capacitySlots: slots(100), demand: { "eu-west": calls(60) } });
    federator.send({ kind: "overlay", downClusters: ["eu-west-1"], validMs: 60_000 });
    await eventually(async () => (await servedBy(1)).get("eu-west") === undefined);
    const counts = await servedBy(100);
    assert.deepEqual([...counts.keys()].toSorted(), ["ap-south", "us-east"]);
    federator.send({ kind: "overlay", downClusters: [], validMs: 60_000 });
    await eventually(async () => (await servedBy(1)).get("eu-west") === 1);
  });

  test("what has no room anywhere is shed where it comes in, with a code of its own", async () => {
    await inForce({ capacitySlots: slots(0), demand: everywhere(calls(50)) });
    const response = await invoke(gateway, "hello");
    assert.equal(response.status, 503);
    assert.ok(Number(response.headers.get("retry-after")) >= 1);
    const problem = (await response.json()) as { code: string; tier: string; retryable: boolean };
    assert.equal(problem.code, "MERIDIAN_SHED");
    assert.equal(problem.tier, "normal");
    assert.equal((await explain()).shedPercent, 100);
  });

  test("nothing is shed while less is in flight than the plan would carry", async () => {
    await inForce({ capacitySlots: slots(100), demand: everywhere(calls(500)) });
    assert.ok(((await explain()).shedPercent ?? 0) > 50);
    assert.deepEqual(
      [...(await servedBy(50)).keys()].filter((zone) => /\d/.test(zone)),
      [],
    );
  });

  test("calls in flight are reported by placement and by the zone near the caller", async () => {
    await inForce({});
    for (const agent of agents) agent.behaviour = "hang";
    const stopping = new AbortController();
    const hanging = Array.from({ length: 12 }, () =>
      invoke(gateway, "hello", {
        signal: stopping.signal,
        headers: { "meridian-region": "us-east" },
      }).catch(() => undefined),
    );
    await eventually(() =>
      federator.reports.some((report) =>
        JSON.stringify(report).includes('"us-east":{"critical":0,"normal":'),
      ),
    );
    stopping.abort();
    await Promise.all(hanging);
  });
});
