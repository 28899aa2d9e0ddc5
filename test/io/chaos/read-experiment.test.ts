import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readExperiment } from "../../../chaos/io/read-experiment.ts";
import { drillOf, smallDrill, writeExperiment } from "./small-drill.ts";

const directory = mkdtempSync(join(tmpdir(), "meridian-test-"));
after(() => rmSync(directory, { recursive: true }));

const shipped = join(import.meta.dirname, "../../../chaos/drills/zone-kill.json");

test("the shipped drill is valid", async () => {
  assert.equal((await readExperiment(shipped)).kind, "ok");
});

const good = smallDrill();
const drill = drillOf(good);
const invalid: { name: string; experiment: unknown; mistakes: RegExp[] }[] = [
  {
    name: "no object",
    experiment: [],
    mistakes: [/must be object/, /exactly one entry named "meridian", has 0/],
  },
  { name: "an unknown key", experiment: { ...good, colour: "red" }, mistakes: [/colour/] },
  { name: "no title", experiment: { ...good, title: undefined }, mistakes: [/title/] },
  {
    name: "no entry of ours",
    experiment: { ...good, extensions: [{ name: "other" }] },
    mistakes: [/exactly one .* has 0/],
  },
  {
    name: "two entries of ours",
    experiment: { ...good, extensions: [...good.extensions, ...good.extensions] },
    mistakes: [/exactly one .* has 2/],
  },
  {
    name: "two mistakes in the drill",
    experiment: {
      ...good,
      extensions: [{ name: "meridian", drill: { ...drill, kind: "flood", seed: -1 } }],
    },
    mistakes: [/^\/extensions\/0\/drill\/kind/, /^\/extensions\/0\/drill\/seed/],
  },
  {
    name: "another zone than the method kills",
    experiment: smallDrill({ target: { zone: "us-east" } }),
    mistakes: [/^\/method: .*"us-east"/, /^\/rollbacks/],
  },
  {
    name: "a probe with an unknown variable",
    experiment: JSON.parse(JSON.stringify(good).replace("${endpoint}", "${adress}")) as unknown,
    mistakes: [/\$\{adress\} is unknown/],
  },
  {
    name: "a dead-man time within the fault",
    experiment: smallDrill({ deadManMs: 6_000 }),
    mistakes: [/deadManMs/],
  },
  {
    name: "bounds that could never break",
    experiment: smallDrill({
      bounds: { ...drill.bounds, shiftedAfterMsMax: 60_000, restoredAfterMsMax: 60_000 },
    }),
    mistakes: [/shiftedAfterMsMax: is longer than the fault/, /restoredAfterMsMax: recoveryMs/],
  },
  {
    name: "more calls than can be judged",
    experiment: smallDrill({
      load: { ...drill.load, requestsPerSecond: 10_000 },
      phases: { ...drill.phases, baselineMs: 60_000 },
    }),
    mistakes: [/requestsPerSecond: makes about/],
  },
  {
    name: "calls that end before they are late",
    experiment: smallDrill({ load: { ...drill.load, lateAfterMs: 5_000 } }),
    mistakes: [/lateAfterMs/],
  },
];
for (const { name, experiment, mistakes } of invalid)
  test(`an experiment is refused, with every mistake: ${name}`, async () => {
    const reading = await readExperiment(writeExperiment(directory, experiment));
    assert.equal(reading.kind, "invalid");
    for (const mistake of mistakes)
      assert.ok(
        reading.mistakes.some((told) => mistake.test(told)),
        reading.mistakes.join("\n"),
      );
  });

test("a file that is no JSON, and one that is not there, are told by name", async () => {
  const file = join(directory, "broken.json");
  writeFileSync(file, "{");
  for (const path of [file, join(directory, "absent.json")]) {
    const reading = await readExperiment(path);
    assert.equal(reading.kind, "invalid");
    assert.ok(reading.mistakes[0]?.includes(path));
  }
});
