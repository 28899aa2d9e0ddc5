import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planPool } from "../../../../agents/core/pool/plan-pool.ts";
import { poolClassOf, poolKey } from "../../../../agents/core/pool/pool-class.ts";
import {
  afterFailedRefill,
  afterRefill,
  afterStart,
  firstDemand,
  type PoolDemand,
  runnersWanted,
} from "../../../../agents/core/pool/pool-demand.ts";

const asked = { runtime: "node", memoryMegabytes: 128, environment: {} } as const;

test("functions that differ in nothing a process is started with share a class", () => {
  const one = poolClassOf({ ...asked, environment: { STAGE: "test" } });
  const other = poolClassOf({ ...asked, network: "outbound" });
  assert.ok(one !== undefined && other !== undefined);
  assert.equal(poolKey(one), poolKey(other));
});

const own = [
  { name: "another runtime", of: { ...asked, runtime: "python" } },
  { name: "more memory", of: { ...asked, memoryMegabytes: 256 } },
  { name: "no network", of: { ...asked, network: "none" } },
] as const;
for (const { name, of } of own)
  test(`a class of its own has what asks for ${name}`, () => {
    const [one, other] = [poolClassOf(asked), poolClassOf(of)];
    assert.ok(one !== undefined && other !== undefined);
    assert.notEqual(poolKey(one), poolKey(other));
  });

const unpooled = [
  { name: "a runtime that the code brings", of: { ...asked, runtime: "provided" } },
  { name: "a server", of: { ...asked, interface: "http" } },
  ...["NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "PYTHONPATH", "LD_PRELOAD", "TZ", "LC_ALL"].map(
    (variable) => ({ name: variable, of: { ...asked, environment: { [variable]: "x" } } }),
  ),
] as const;
for (const { name, of } of unpooled)
  test(`needs a process of its own: ${name}`, () => assert.equal(poolClassOf(of), undefined));

/** Starts each so many milliseconds, for a minute. */
function demandOf(everyMs: number, refillMs: number): PoolDemand {
  let demand = firstDemand(0);
  for (let atMs = 0; atMs < 60_000; atMs += everyMs) demand = afterStart(demand, atMs);
  for (let refill = 0; refill < 40; refill += 1) demand = afterRefill(demand, refillMs);
  return demand;
}

const sizes: readonly [name: string, demand: PoolDemand, nowMs: number, wanted: number][] = [
  ["a class that nobody used has none", firstDemand(0), 0, 0],
  ["one of the usual classes has one before anybody calls", firstDemand(0, 1), 0, 1],
  ["and after everybody went", afterStart(firstDemand(0, 1), 0), 3_600_000, 1],
  ["two wait while a class is used at all", demandOf(30_000, 100), 60_000, 2],
  ["where starts come fast, as many as come during two refills", demandOf(20, 100), 60_000, 10],
  ["and more where a refill takes longer", demandOf(20, 300), 60_000, 30],
  ["demand fades", demandOf(20, 300), 120_000, 2],
  ["and is forgotten", demandOf(20, 300), 660_000, 0],
];
for (const [name, demand, nowMs, wanted] of sizes)
  test(name, () => assert.equal(runnersWanted(demand, nowMs), wanted));

const used = afterStart(firstDemand(0), 0);
const calm = { runnersMax: 10, isBusy: false };

test("the class that lacks the most is filled first", () => {
  const shelves = [
    { demand: used, runners: 1 },
    { demand: used, runners: 0 },
  ];
  assert.equal(planPool(shelves, calm, 1).start, shelves[1]);
});

test("nothing is started for the pool while calls wait for a start", () => {
  const shelves = [{ demand: used, runners: 0 }];
  assert.equal(planPool(shelves, { ...calm, isBusy: true }, 1).start, undefined);
});

test("what came to nothing is not tried again at once", () => {
  const shelves = [{ demand: afterFailedRefill(used, 1), runners: 0 }];
  assert.equal(planPool(shelves, calm, 2).start, undefined);
  assert.equal(planPool(shelves, calm, 30_001).start, shelves[0]);
});

test("however many classes there are, runners stay within the memory for them, and none goes that is likely needed", () => {
  const shelf = fc.record({ starts: fc.nat(500), runners: fc.nat(12) });
  fc.assert(
    fc.property(fc.array(shelf, { maxLength: 6 }), fc.nat(20), (classes, runnersMax) => {
      const shelves = classes.map(({ starts, runners }) => {
        let demand = firstDemand(0);
        for (let start = 0; start < starts; start += 1) demand = afterStart(demand, start);
        return { demand, runners };
      });
      const plan = planPool(shelves, { runnersMax, isBusy: false }, 1_000);
      const waiting = shelves.reduce((sum, { runners }) => sum + runners, 0);
      if (plan.start !== undefined) assert.ok(waiting < runnersMax);
      for (const { shelf, runners } of plan.retire)
        assert.equal(shelf.runners - runners, runnersWanted(shelf.demand, 1_000));
    }),
  );
});
