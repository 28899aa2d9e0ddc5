import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseCompaction, type RevisionSample } from "../../../catalog/core/choose-compaction.ts";

const LIMITS = { historyMs: 600, historyRevisionsMin: 100, historyRevisionsMax: 1_000 };
const at = (atMs: number, revision: number): RevisionSample => ({ atMs, revision });

interface Case {
  readonly name: string;
  readonly samples: readonly RevisionSample[];
  readonly newest: RevisionSample;
  readonly compactTo: number | null;
}

const cases: readonly Case[] = [
  { name: "an empty catalog keeps all", samples: [], newest: at(0, 0), compactTo: null },
  { name: "after a restart all counts as young", samples: [], newest: at(0, 900), compactTo: null },
  { name: "but not past the most", samples: [], newest: at(0, 1_500), compactTo: 500 },
  { name: "old history goes", samples: [at(0, 300)], newest: at(600, 900), compactTo: 300 },
  { name: "young history stays", samples: [at(1, 300)], newest: at(600, 900), compactTo: null },
  {
    name: "the newest of the old samples decides",
    samples: [at(0, 300), at(100, 400), at(200, 500)],
    newest: at(700, 900),
    compactTo: 400,
  },
  {
    name: "the least number of revisions stays however old",
    samples: [at(0, 300)],
    newest: at(99_999, 350),
    compactTo: 250,
  },
  { name: "a small catalog keeps all", samples: [at(0, 60)], newest: at(999, 90), compactTo: null },
  {
    name: "the most cuts into young history",
    samples: [at(0, 10), at(500, 20)],
    newest: at(600, 2_000),
    compactTo: 1_000,
  },
];
for (const { name, samples, newest, compactTo } of cases)
  test(name, () => assert.equal(chooseCompaction(samples, newest, LIMITS).compactTo, compactTo));

test("no more samples are kept than the time that counts needs", () => {
  let samples: readonly RevisionSample[] = [];
  for (let atMs = 0; atMs < 10_000; atMs += 100)
    ({ samples } = chooseCompaction(samples, at(atMs, atMs), LIMITS));
  assert.deepEqual(
    samples.map(({ atMs }) => atMs),
    [9_300, 9_400, 9_500, 9_600, 9_700, 9_800, 9_900],
  );
});
