import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { type IdleGaps, noIdleGaps, recordGap } from "../../../agents/core/scaling/idle-gaps.ts";
import { createMemoryDriver } from "../../../agents/drivers/memory.ts";
import { keepRhythms, readRhythms } from "../../../agents/io/kept-rhythms.ts";
import { versionIdentity } from "../../../agents/io/version-key.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { eventually } from "./support/agent-world.ts";
import { versionOf, virtualPools } from "./support/virtual-pools.ts";

const MINUTES_5 = 300_000;
const gapsOf = (gapsMs: readonly number[]): IdleGaps => gapsMs.reduce(recordGap, noIdleGaps);
const identity = (number: number): string => number.toString(16).padStart(64, "0");
const TIMER = gapsOf(Array.from({ length: 9 }, () => MINUTES_5));

async function fileOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rhythms-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "rhythms.jsonl");
}
function noted() {
  const warnings: unknown[] = [];
  return { warnings, warn: (...said: unknown[]) => void warnings.push(said) };
}
/** Writes them once, as at the end of an agent. */
const keep = (path: string, rhythms: readonly (readonly [string, IdleGaps])[]) =>
  keepRhythms(path, () => rhythms, manualClock(), noted()).close();

test("what was learnt before a restart is known after it", async (t) => {
  const path = await fileOf(t);
  const pasts = fc.array(fc.integer({ min: 0, max: 5 * 3_600_000 }), { maxLength: 600 });
  await fc.assert(
    fc.asyncProperty(fc.array(pasts, { minLength: 1, maxLength: 5 }), async (functions) => {
      const rhythms = functions.map((past, index) => [identity(index), gapsOf(past)] as const);
      await keep(path, rhythms);
      assert.deepEqual([...(await readRhythms(path, noted()))], rhythms);
    }),
    { numRuns: 25 },
  );
});

test("it is on disk within a minute, and written again only where more was learnt", async (t) => {
  const path = await fileOf(t);
  const clock = manualClock();
  let rhythms: readonly (readonly [string, IdleGaps])[] = [];
  const keeping = keepRhythms(path, () => rhythms, clock, noted());
  await clock.advance(60_000);
  await assert.rejects(readFile(path), { code: "ENOENT" });
  rhythms = [[identity(1), TIMER]];
  await clock.advance(60_000);
  await eventually(async () => (await readRhythms(path, noted())).size === 1);
  await writeFile(path, "nobody looks");
  await clock.advance(60_000);
  rhythms = [[identity(1), TIMER]];
  await keeping.close();
  assert.equal(await readFile(path, "utf8"), "nobody looks");
});

test("of more versions than are kept, those that came last are", async (t) => {
  const path = await fileOf(t);
  await keep(
    path,
    Array.from({ length: 10_001 }, (_, number) => [identity(number), TIMER] as const),
  );
  const found = await readRhythms(path, noted());
  assert.equal(found.size, 10_000);
  assert.equal(found.has(identity(0)), false);
});

const line = (changes: object): string =>
  `${JSON.stringify({ version: identity(2), bins: [[3, 8]], beyond: 0, ...changes })}\n`;
const damaged: readonly { name: string; text: string }[] = [
  { name: "what is no JSON", text: "{\n" },
  { name: "another kind of file", text: '{"kind":"full"}\n' },
  { name: "a version that is no digest", text: line({ version: "../x" }) },
  { name: "a bin beyond the histogram", text: line({ bins: [[1_440, 1]] }) },
  { name: "a bin without a gap", text: line({ bins: [[1, 0]] }) },
  { name: "half a gap", text: line({ bins: [[1, 0.5]] }) },
  {
    name: "more gaps than are kept",
    text: line({
      bins: [
        [1, 200],
        [2, 200],
      ],
    }),
  },
  { name: "gaps beyond all bounds", text: line({ beyond: 1e300 }) },
  { name: "a line without end", text: `"${"x".repeat(2_000_000)}` },
];
for (const { name, text } of damaged)
  test(`a file with ${name} is set aside and said, and nothing of it used`, async (t) => {
    const path = await fileOf(t);
    await keep(path, [[identity(1), TIMER]]);
    await appendFile(path, text);
    const log = noted();
    assert.equal((await readRhythms(path, log)).size, 0);
    assert.equal(log.warnings.length, 1);
    assert.deepEqual(await readdir(join(path, "..")), ["rhythms.jsonl.damaged"]);
    await keep(path, [[identity(1), TIMER]]);
    assert.equal((await readRhythms(path, log)).size, 1);
  });

test("fields of a later version are nothing to mind, nor is a file that there is not", async (t) => {
  const path = await fileOf(t);
  const log = noted();
  assert.equal((await readRhythms(path, log)).size, 0);
  await writeFile(path, line({ later: true }));
  assert.equal((await readRhythms(path, log)).size, 1);
  assert.deepEqual(log.warnings, []);
});

for (const { name, learnt, left } of [
  {
    name: "a function whose rhythm is known from before goes by it after its first call",
    learnt: TIMER,
    left: 0,
  },
  { name: "one that is new keeps its instance for as long as usual", learnt: undefined, left: 1 },
])
  test(name, async (t) => {
    const of = versionOf("timer");
    const known = learnt === undefined ? [] : ([[versionIdentity(of), learnt]] as const);
    const world = virtualPools(
      t,
      createMemoryDriver(() => () => "done"),
      {},
      new Map(known),
    );
    const call = world.call(of);
    await world.advance(1_000);
    assert.equal((await call).kind, "result");
    await world.advance(10_000);
    assert.equal(world.count("idle"), left);
    assert.deepEqual(world.pools.rhythms(), known);
  });
