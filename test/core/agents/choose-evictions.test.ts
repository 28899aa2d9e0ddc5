import assert from "node:assert/strict";
import { test } from "node:test";
import { type Tier } from "#lib/plan/placement-class.ts";
import {
  chooseEvictions,
  type Evictable,
  type VersionNeed,
} from "../../../agents/core/choose-evictions.ts";

const NOW_MS = 100_000;

interface Named extends Evictable {
  readonly name: string;
}
const idle = (name: string, forMs: number, tier: Tier = "normal"): Named => ({
  name,
  tier,
  state: { kind: "idle", sinceMs: NOW_MS - forMs },
});
const busy = (name: string, tier: Tier = "normal"): Named => ({
  name,
  tier,
  state: { kind: "busy", calls: 1 },
});
const starved = (tier: Tier = "normal"): VersionNeed => ({
  tier,
  isStarved: true,
  lacking: 1,
  waitedMs: 0,
});
const short = (lacking: number, tier: Tier = "normal", waitedMs = 200): VersionNeed => ({
  tier,
  isStarved: false,
  lacking,
  waitedMs,
});

const cases: readonly {
  readonly name: string;
  readonly instances: readonly Named[];
  readonly needs: readonly VersionNeed[];
  readonly leaving?: number;
  readonly starting?: number;
  readonly places?: number;
  readonly evicted: readonly string[];
}[] = [
  {
    name: "nobody goes where nobody needs a place",
    instances: [idle("old", 9_000)],
    needs: [],
    evicted: [],
  },
  {
    name: "what has rested goes, the longest unused first, and no more than is lacking",
    instances: [idle("new", 299), idle("old", 300), idle("older", 4_000)],
    needs: [short(1)],
    evicted: ["older"],
  },
  {
    name: "what has only paused between two calls stays",
    instances: [idle("new", 299), idle("old", 300), idle("older", 4_000)],
    needs: [short(9)],
    evicted: ["older", "old"],
  },
  {
    name: "a version without any instance gets one that paused",
    instances: [idle("new", 1), busy("one")],
    needs: [starved()],
    evicted: ["new"],
  },
  {
    name: "as many versions as there are idle ones",
    instances: [idle("new", 1), idle("old", 50), busy("one")],
    needs: [starved(), starved(), starved()],
    evicted: ["old", "new"],
  },
  {
    name: "but not from a higher tier",
    instances: [idle("new", 299, "critical")],
    needs: [starved("batch")],
    evicted: [],
  },
  {
    name: "unless that has rested",
    instances: [idle("old", 300, "critical")],
    needs: [short(1, "batch")],
    evicted: ["old"],
  },
  {
    name: "the higher tier comes first",
    instances: [idle("old", 300), idle("new", 1, "batch")],
    needs: [starved("batch"), short(1, "critical")],
    evicted: ["old", "new"],
  },
  {
    name: "what works stays",
    instances: [busy("one"), busy("other", "critical")],
    needs: [starved("critical"), short(3)],
    evicted: [],
  },
  {
    name: "places that are about to be free need nobody to go",
    instances: [idle("old", 9_000), idle("older", 9_001)],
    needs: [starved(), short(2)],
    leaving: 2,
    evicted: ["older"],
  },
  {
    name: "a call that has hardly waited takes nobody's place",
    instances: [idle("old", 9_000)],
    needs: [short(1, "critical", 199)],
    evicted: [],
  },
  {
    name: "one place in sixteen changes hands at a time, and starts are changes under way",
    instances: [idle("old", 7_000), idle("older", 8_000), idle("oldest", 9_000)],
    needs: [short(3)],
    starting: 1,
    places: 48,
    evicted: ["oldest", "older"],
  },
  {
    name: "a small cluster changes one",
    instances: [idle("old", 8_000), idle("older", 9_000)],
    needs: [short(2)],
    places: 8,
    evicted: ["older"],
  },
  {
    name: "a version without any does not wait for its turn",
    instances: [idle("old", 8_000), idle("older", 9_000)],
    needs: [starved(), short(1, "critical")],
    starting: 1,
    places: 8,
    evicted: ["older"],
  },
];
for (const { name, instances, needs, evicted, ...changing } of cases)
  test(name, () => {
    const { leaving = 0, starting = 0, places = 64 } = changing;
    const chosen = chooseEvictions(instances, needs, { leaving, starting, places }, NOW_MS);
    const names = chosen.map((one) => one.name);
    assert.deepEqual(names, evicted);
  });
