import assert from "node:assert/strict";
import { test } from "node:test";
import type { IsolationLevel, IsolationReport } from "#lib/contracts/isolation.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { createMemoryDriver } from "../../../agents/drivers/memory.ts";
import { keepPlaced } from "../../../agents/io/keep-placed.ts";
import { logIsolation } from "../../../agents/io/log-isolation.ts";
import { placedVersions } from "../../../agents/io/placed-versions.ts";
import type { PoolVersion } from "../../../agents/io/pool-version.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { ZONES } from "../federator-api/zones.ts";
import { eventually, startAgentHere } from "./support/agent-world.ts";
import { versionOf, virtualPools } from "./support/virtual-pools.ts";

const home: Zone = ZONES[0] ?? assert.fail();

const report = (level: IsolationLevel): IsolationReport => ({
  level,
  provedAtMs: 1,
  checks: [{ name: "list-processes", level: "L2", holds: level >= "L2", evidence: "3 processes" }],
  notes: [],
});
const asking = (minIsolation: IsolationLevel, more: object = {}): PoolVersion => {
  const { version, ...of } = versionOf("guarded");
  return {
    ...of,
    version: { ...version, manifest: { ...version.manifest, minIsolation, ...more } },
  };
};
const feedOf = ({ tenant, functionName, version }: PoolVersion) => {
  const entry: RouteEntry = {
    kind: "function",
    tenant,
    functionName,
    aliases: { live: 1 },
    versions: [version],
  };
  return {
    table: latestValue<RouteTable | undefined>({
      position: { incarnation: "one", revision: 1 },
      digest: "",
      entries: new Map([[`function/${tenant}/${functionName}`, entry]]),
    }),
    onChanges: () => () => undefined,
  };
};
const isUnavailable = (error: unknown): boolean =>
  error instanceof MeridianError && error.code === "MERIDIAN_ISOLATION_UNAVAILABLE";

const cases: readonly {
  proved: IsolationLevel | undefined;
  asks: IsolationLevel;
  runs: boolean;
}[] = [
  { proved: undefined, asks: "L0", runs: true },
  { proved: undefined, asks: "L1", runs: false },
  { proved: "L1", asks: "L2", runs: false },
  { proved: "L2", asks: "L2", runs: true },
  { proved: "L3", asks: "L2", runs: true },
];
for (const { proved, asks, runs } of cases)
  test(`an agent that has proved ${proved ?? "nothing yet"} ${runs ? "takes" : "refuses"} a call of a function that asks for ${asks}`, async () => {
    const of = asking(asks);
    const isolation = latestValue(proved === undefined ? undefined : report(proved));
    const versions = placedVersions(feedOf(of), home, isolation, manualClock());
    const finding = versions.find({
      tenant: of.tenant,
      functionName: of.functionName,
      version: of.version.version,
      requestId: "r",
      deadlineMs: 1_000,
      contentType: "",
      revision: undefined,
      trace: undefined,
      door: { kind: "invoke" },
    });
    if (runs) assert.equal((await finding).version, of.version);
    else await assert.rejects(finding, isUnavailable);
    versions.close();
  });

test("instances that are kept without a call are given up when the level falls, and come back with it", async () => {
  const of = asking("L2", { scaling: { minInstances: 1 } });
  const isolation = latestValue<IsolationReport | undefined>(undefined);
  let placed: readonly PoolVersion[] | undefined;
  const keeping = keepPlaced(
    feedOf(of),
    home,
    { place: (_key, versions) => (placed = versions) },
    isolation,
    manualClock(),
  );
  await eventually(() => placed !== undefined);
  assert.deepEqual(placed, []);
  isolation.set(report("L2"));
  await eventually(() => placed?.length === 1);
  isolation.set(report("L1"));
  await eventually(() => placed?.length === 0);
  await keeping.close();
});

test("no instance is started for a call that waited while the level fell", async (t) => {
  const driver = createMemoryDriver(() => () => "done");
  driver.isolation.set(report("L2"));
  const world = virtualPools(t, driver);
  const of = asking("L2");
  const first = await world.call(of);
  assert.equal(first.kind, "result");
  const before = driver.list().length;
  driver.isolation.set(report("L0"));
  await Promise.all([world.call(of), world.call(of), world.call(of)]).then((outcomes) => {
    const refused = outcomes.filter((outcome) => outcome.kind === "failed");
    assert.ok(refused.length >= 1);
    for (const outcome of refused) {
      assert.equal(outcome.isExecuted, false);
      assert.ok(isUnavailable(outcome.error));
    }
  });
  assert.equal(driver.list().length, before);
});

test("an agent refuses what asks for more than it has proved, runs the rest and shows its level", async (t) => {
  const agent = await startAgentHere(t, [
    { name: "caged", manifest: { handler: "node.echo", minIsolation: "L5" } },
    { name: "echo", manifest: {} },
  ]);
  const refused = await agent.invoke("caged", { json: {} });
  assert.equal(refused.status, 503);
  assert.equal(refused.isExecuted, false);
  assert.equal(refused.json()["code"], "MERIDIAN_ISOLATION_UNAVAILABLE");
  assert.match(String(refused.json()["detail"]), /caged asks for L5/);
  assert.equal((await agent.invoke("echo", { json: {} })).status, 200);
  await eventually(async () => {
    const metrics = await (await fetch(`${agent.adminUrl}/metrics`)).text();
    const [, level] = /^meridian_isolation_level\{[^}]*\} (-?\d+)$/m.exec(metrics) ?? [];
    return Number(level) >= 0;
  });
});

test("a level that falls is a warning that names the checks, and one that rises is not", async () => {
  const isolation = latestValue<IsolationReport | undefined>(undefined);
  const lines: string[] = [];
  const note = (level: string) => (fields: object) =>
    lines.push(`${level} ${JSON.stringify(fields)}`);
  const stop = logIsolation(isolation, { info: note("info"), warn: note("warn") });
  isolation.set(report("L2"));
  await eventually(() => lines.length === 1);
  isolation.set(report("L1"));
  await eventually(() => lines.length === 2);
  assert.deepEqual(lines, [
    'info {"was":"nothing yet","isolation":"L2","broken":[]}',
    'warn {"was":"L2","isolation":"L1","broken":["list-processes"]}',
  ]);
  stop();
});
