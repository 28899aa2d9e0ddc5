import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { scalingSpec } from "../../../agents/core/scaling/scaling-spec.ts";
import { generateTrace } from "../../../bench/autoscaler/generate-trace.ts";
import { readAzureTrace } from "../../../bench/autoscaler/read-azure-trace.ts";
import { simulateFunction } from "../../../bench/autoscaler/simulate-function.ts";
import { virtualEvents } from "../../../bench/autoscaler/virtual-events.ts";
import { seededRandom } from "../../../chaos/core/seeded-random.ts";

const SAMPLES = join(import.meta.dirname, "../../../bench/autoscaler/samples");
const sample = (name: string) => readFileSync(join(SAMPLES, name), "utf8");
const idle = { extraIdleMs: 5_000, lastIdleMs: 60_000 };

test("a trace of single calls is read with the moment at which each began", () => {
  const text = "app,func,end_timestamp,duration\na,f,10.5,0.5\na,g,11,1\na,f,2.25,0.25\n";
  const trace = readAzureTrace("own", text, seededRandom(1));
  assert.deepEqual(trace, {
    name: "own",
    endMs: 11_000,
    functions: [
      {
        name: "a/f",
        calls: [
          { atMs: 2_000, runMs: 250 },
          { atMs: 10_000, runMs: 500 },
        ],
      },
      { name: "a/g", calls: [{ atMs: 10_000, runMs: 1_000 }] },
    ],
  });
});

test("a trace of calls by minute has them in their minute", () => {
  const text = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,timer,0,2,1\n";
  const { endMs, functions } = readAzureTrace("own", text, seededRandom(1));
  assert.equal(endMs, 180_000);
  assert.deepEqual(
    functions[0]?.calls.map(({ atMs }) => Math.floor(atMs / 60_000)),
    [1, 1, 2],
  );
});

const broken = [
  ["a,b,c\n1,2,3\n", /neither of the two formats/],
  ["app,func,end_timestamp,duration\na,f,soon,1\n", /line 2: "soon" in column 3/],
  ["app,func,end_timestamp,duration\na,f,1\n", /line 2: "" in column 4/],
  ["", /neither of the two formats/],
] as const;
for (const [text, message] of broken)
  test(`a trace that is broken is refused by name and line: ${message.source}`, () => {
    assert.throws(() => readAzureTrace("own", text, seededRandom(1)), message);
  });

for (const name of ["azure-2019-format.csv", "azure-2021-format.csv"])
  test(`the sample ${name} is a trace, and every call of it is served in either mode`, () => {
    const trace = readAzureTrace(name, sample(name), seededRandom(1));
    for (const { calls } of trace.functions)
      for (const mode of ["request", "kpa"] as const) {
        const simulated = simulateFunction(calls, scalingSpec(1, { mode }, idle), 35, 86_400_000);
        assert.equal(simulated.waitsMs.length, calls.length);
        assert.ok(simulated.instanceMs >= simulated.busyMs);
      }
  });

test("a generated trace is the same for the same seed, in order and within its time", () => {
  const trace = generateTrace(seededRandom(7), 1);
  assert.deepEqual(generateTrace(seededRandom(7), 1), trace);
  for (const { name, calls } of trace.functions)
    for (const [index, { atMs }] of calls.entries())
      assert.ok(atMs >= (calls[index - 1]?.atMs ?? 0) && atMs < trace.endMs + 1_000, name);
});

test("virtual events happen in the order of their times, those of one moment as they were added", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (timesMs) => {
      const events = virtualEvents<number>();
      for (const [order, atMs] of timesMs.entries()) events.add(atMs, order);
      const wanted = timesMs
        .map((atMs, event) => ({ atMs, event }))
        .toSorted((one, other) => one.atMs - other.atMs);
      for (const { atMs, event } of wanted) {
        const next = events.next();
        assert.deepEqual([next?.atMs, next?.event], [atMs, event]);
      }
      assert.equal(events.next(), undefined);
    }),
  );
});
