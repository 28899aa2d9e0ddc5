import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observation } from "#lib/contracts/zone-report.ts";
import {
  type Evidence,
  hasHeardAll,
  isSeenUp,
  judgeDowns,
  judgeOverlay,
  weighEvidence,
  witnesses,
} from "../../../../federator/core/verdicts/weigh-evidence.ts";

type Views = Readonly<Record<string, "up" | "down" | "unknown">>;

const observation = (zone: string, views: Views, isQualified = true): Observation => ({
  zone,
  sequence: 1,
  bootId: `boot-${zone}`,
  isQualified,
  clusters: Object.entries(views).map(([clusterId, view]) => ({ clusterId, view, sinceMs: 0 })),
  demand: [],
});
const weigh = (observations: readonly Observation[]) =>
  new Map(["a", "b", "c"].map((id) => [id, weighEvidence(observations, id)]));

const cases: readonly {
  readonly name: string;
  readonly observations: readonly Observation[];
  readonly inService: readonly string[];
  readonly downs: readonly string[];
}[] = [
  {
    name: "one observer alone takes nothing out",
    observations: [observation("a", { c: "down" }), observation("b", { c: "up" })],
    inService: ["a", "b", "c"],
    downs: [],
  },
  {
    name: "two zones do",
    observations: [observation("a", { c: "down" }), observation("b", { c: "down" })],
    inService: ["a", "b", "c"],
    downs: ["c"],
  },
  {
    name: "the cluster's own zone cannot outvote two others",
    observations: [
      observation("a", { c: "down" }),
      observation("b", { c: "down" }),
      observation("c", { c: "up" }),
    ],
    inService: ["a", "b", "c"],
    downs: ["c"],
  },
  {
    name: "as many that see it up as down leave it in",
    observations: [
      observation("a", { c: "down" }),
      observation("b", { c: "down" }),
      observation("c", { c: "up" }),
      observation("d", { c: "up" }),
    ],
    inService: ["a", "b", "c"],
    downs: [],
  },
  {
    name: "an observer that distrusts itself does not count",
    observations: [observation("a", { c: "down" }), observation("b", { c: "down" }, false)],
    inService: ["a", "b", "c"],
    downs: [],
  },
  {
    name: "what was never reached is not what failed",
    observations: [observation("a", { c: "unknown" }), observation("b", { c: "unknown" })],
    inService: ["a", "b", "c"],
    downs: [],
  },
  {
    name: "the last one in service stays",
    observations: [observation("a", { c: "down" }), observation("b", { c: "down" })],
    inService: ["c"],
    downs: [],
  },
  {
    name: "of all accused, the one with the least evidence stays",
    observations: [
      observation("a", { a: "down", b: "down", c: "down" }),
      observation("b", { a: "down", b: "down", c: "down" }),
      observation("c", { a: "down", c: "down" }),
    ],
    inService: ["a", "b", "c"],
    downs: ["a", "c"],
  },
];
for (const { name, observations, inService, downs } of cases) {
  test(name, () => assert.deepEqual(judgeDowns(weigh(observations), inService), downs));
}

test("a cluster that is out of service already stays in the overlay while it is seen down", () => {
  const evidence = weigh([observation("a", { c: "down" }), observation("b", { c: "down" })]);
  assert.deepEqual(judgeOverlay(evidence, ["a", "b"]), ["c"]);
  assert.deepEqual(judgeOverlay(weigh([observation("a", { c: "down" })]), ["a", "b"]), []);
});

test("two zones bring it back, one does not", () => {
  assert.equal(isSeenUp({ upZones: ["a"], downZones: [] }), false);
  assert.equal(isSeenUp({ upZones: ["a", "b"], downZones: ["c"] }), true);
  assert.equal(isSeenUp({ upZones: ["a", "b"], downZones: ["c", "d"] }), false);
});

const extra = (view: "up" | "down") => ({ name: "consul", view });
const withExtra: readonly {
  readonly name: string;
  readonly evidence: Evidence;
  readonly isDown: boolean;
}[] = [
  {
    name: "an observer outside the federation is never enough alone",
    evidence: { upZones: [], downZones: [], extra: extra("down") },
    isDown: false,
  },
  {
    name: "beside one zone that nobody contradicts it is the second witness",
    evidence: { upZones: [], downZones: ["a"], extra: extra("down") },
    isDown: true,
  },
  {
    name: "it does not break a tie",
    evidence: { upZones: ["b"], downZones: ["a"], extra: extra("down") },
    isDown: false,
  },
  {
    name: "it does not outvote two zones that see it up",
    evidence: { upZones: ["b", "c"], downZones: ["a"], extra: extra("down") },
    isDown: false,
  },
  {
    name: "it does not save what two zones see down",
    evidence: { upZones: [], downZones: ["a", "b"], extra: extra("up") },
    isDown: true,
  },
  {
    name: "nor does it help one zone that it contradicts",
    evidence: { upZones: [], downZones: ["a"], extra: extra("up") },
    isDown: false,
  },
];
for (const { name, evidence, isDown } of withExtra) {
  test(name, () =>
    assert.deepEqual(judgeDowns(new Map([["c", evidence]]), ["c", "other"]), isDown ? ["c"] : []),
  );
}

test("the extra observer is named behind the zones it agrees with", () => {
  const evidence: Evidence = { upZones: ["b"], downZones: ["a"], extra: extra("down") };
  assert.deepEqual(witnesses(evidence, "down"), ["a", "consul"]);
  assert.deepEqual(witnesses(evidence, "up"), ["b"]);
});

const heard = (zone: string, isQualified = true) => observation(zone, {}, isQualified);
const hearings: readonly {
  readonly name: string;
  readonly sightings: readonly Observation[];
  readonly listeningForMs: number;
  readonly all: boolean;
}[] = [
  { name: "all were heard", sightings: [heard("a"), heard("b")], listeningForMs: 0, all: true },
  { name: "one was not heard yet", sightings: [heard("a")], listeningForMs: 2_999, all: false },
  { name: "one was not heard for long", sightings: [heard("a")], listeningForMs: 3_000, all: true },
  {
    name: "one distrusts itself: what it sees is not known",
    sightings: [heard("a"), heard("b", false)],
    listeningForMs: 0,
    all: false,
  },
];
for (const { name, sightings, listeningForMs, all } of hearings)
  test(`who is there, where ${name}, is ${all ? "" : "not "}known`, () => {
    assert.equal(hasHeardAll(sightings, ["a", "b"], listeningForMs, 1_500), all);
  });
