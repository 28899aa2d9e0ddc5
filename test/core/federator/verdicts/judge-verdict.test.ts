import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { VerdictRecord } from "#lib/contracts/control-records.ts";
import {
  type ClusterCase,
  holdMs,
  judgePlannedDown,
  judgeRejoin,
  judgeVerdicts,
  type Surroundings,
  type VerdictDecision,
  type VerdictLimits,
} from "../../../../federator/core/verdicts/judge-verdict.ts";

const limits: VerdictLimits = {
  canTakeOut: true,
  hasWitness: true,
  upHoldMs: 5_000,
  upHoldMaxMs: 600_000,
  flapMemoryMs: 60_000,
  evidenceMaxAgeMs: 1_500,
};
const NOW_MS = 100_000;
/** Sessions of the present run; records are older unless a case says otherwise. */
const SESSIONS = { sessionRevisions: [10, 11, 12], hasHeardAll: true };
const DURING_THIS_RUN = 50;

const record = (
  state: VerdictRecord["state"],
  cause: VerdictRecord["cause"] = "unplanned",
  flaps = 1,
): VerdictRecord => ({
  clusterId: "c",
  state,
  cause,
  evidence: [],
  decidedBy: "a",
  decidedAtMs: 0,
  flaps,
});
const clusterCase = (overrides: Partial<ClusterCase>): ClusterCase => ({
  clusterId: "c",
  record: undefined,
  recordRevision: DURING_THIS_RUN,
  knownForMs: 1_500,
  evidence: { upZones: [], downZones: [] },
  goodSinceMs: undefined,
  upForMs: 0,
  sessionRevision: 10,
  sessionId: "before",
  answersItsOwn: true,
  rejoin: "current",
  isQuarantined: false,
  ...overrides,
});
/** Keeps another cluster in service, so that c is not the last. */
const other = clusterCase({
  clusterId: "other",
  record: record("up"),
  evidence: { upZones: ["a", "b"], downZones: [] },
});
const stays = { clusterId: "other", recordRevision: DURING_THIS_RUN };
const seenDown = { upZones: [], downZones: ["a", "b"] };
const seenUp = { upZones: ["a", "b"], downZones: [] };
const up = { kind: "up", clusterId: "c" } as const;

const cases: readonly {
  readonly name: string;
  readonly of: Partial<ClusterCase>;
  readonly limits?: Partial<VerdictLimits>;
  readonly around?: Partial<Surroundings>;
  readonly nowMs?: number;
  readonly decided: VerdictDecision | undefined;
}[] = [
  {
    name: "a cluster never seen is up at the first good probe of one zone, by anybody's word",
    of: { evidence: { upZones: ["a"], downZones: [] } },
    decided: { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: false },
  },
  { name: "a cluster never seen is not put down", of: { evidence: seenDown }, decided: undefined },
  {
    name: "two zones put it down",
    of: { record: record("up", "first-seen", 0), evidence: seenDown },
    decided: { kind: "down", clusterId: "c", cause: "unplanned", flaps: 1, stays },
  },
  {
    name: "but not by what they may have seen before it was put up",
    of: { record: record("up", "planned", 0), evidence: seenDown, knownForMs: 1_499 },
    decided: undefined,
  },
  {
    name: "a second failure soon after counts as a flap",
    of: { record: record("up", "unplanned", 1), evidence: seenDown, upForMs: 59_999 },
    decided: { kind: "down", clusterId: "c", cause: "unplanned", flaps: 2, stays },
  },
  {
    name: "after a good minute the count starts anew",
    of: { record: record("up", "unplanned", 4), evidence: seenDown, upForMs: 60_000 },
    decided: { kind: "down", clusterId: "c", cause: "unplanned", flaps: 1, stays },
  },
  {
    name: "with failover off nothing is put down",
    of: { record: record("up"), evidence: seenDown },
    limits: { canTakeOut: false },
    decided: undefined,
  },
  {
    name: "what is down stays down during the hold",
    of: { record: record("down"), evidence: seenUp, goodSinceMs: NOW_MS - 4_999 },
    decided: undefined,
  },
  {
    name: "and returns after it, by the leader, ramped",
    of: { record: record("down"), evidence: seenUp, goodSinceMs: NOW_MS - 5_000 },
    decided: { ...up, cause: "unplanned", flaps: 1, isRamped: true, needsLeader: true },
  },
  {
    name: "the third failure holds four times as long",
    of: { record: record("down", "unplanned", 3), evidence: seenUp, goodSinceMs: NOW_MS - 19_999 },
    decided: undefined,
  },
  {
    name: "one zone alone brings nothing back",
    of: { record: record("down"), evidence: { upZones: ["a"], downZones: [] }, goodSinceMs: 0 },
    decided: undefined,
  },
  {
    name: "a zone that drains still answers, and stays out",
    of: { record: record("down", "planned", 2), evidence: seenUp, goodSinceMs: 0, upForMs: 90_000 },
    nowMs: 59_999,
    decided: undefined,
  },
  {
    name: "a planned absence ends at the first good probe of its next session, without a hold and without a ramp",
    of: {
      record: record("down", "planned", 2),
      sessionRevision: DURING_THIS_RUN + 1,
      evidence: { upZones: ["c"], downZones: [] },
    },
    decided: { ...up, cause: "planned", flaps: 2, isRamped: false, needsLeader: true },
  },
  {
    name: "a process that lost its session while it drains, and has it again, is not back",
    of: {
      record: { ...record("down", "planned", 2), stoppedSession: "before" },
      sessionRevision: DURING_THIS_RUN + 1,
      evidence: seenUp,
      goodSinceMs: NOW_MS - 1_000,
    },
    decided: undefined,
  },
  {
    name: "the next one is",
    of: {
      record: { ...record("down", "planned", 2), stoppedSession: "before" },
      sessionRevision: DURING_THIS_RUN + 1,
      sessionId: "after",
      evidence: seenUp,
    },
    decided: { ...up, cause: "planned", flaps: 2, isRamped: false, needsLeader: true },
  },
  {
    name: "but not while others, who would take it out again, have yet to see it",
    of: {
      record: record("down", "planned", 2),
      sessionRevision: DURING_THIS_RUN + 1,
      evidence: { upZones: ["c"], downZones: ["a", "b"] },
    },
    decided: undefined,
  },
  {
    name: "nor while others, of whom that is not known yet, may have to be heard",
    of: {
      record: record("down", "planned", 2),
      sessionRevision: DURING_THIS_RUN + 1,
      evidence: { upZones: ["c"], downZones: [] },
    },
    around: { hasHeardAll: false },
    decided: undefined,
  },
  {
    name: "nor before its own new process says that it answers: what others saw was the one before",
    of: {
      record: record("down", "planned", 2),
      sessionRevision: DURING_THIS_RUN + 1,
      evidence: seenUp,
      answersItsOwn: false,
    },
    decided: undefined,
  },
  {
    name: "a stop that never happened is over when no drain takes so long",
    of: { record: record("down", "planned", 2), evidence: seenUp, goodSinceMs: 0 },
    nowMs: 60_000,
    decided: { ...up, cause: "planned", flaps: 2, isRamped: false, needsLeader: true },
  },
  {
    name: "nobody returns whose agent does not know what was decided while it was away",
    of: { record: record("down"), evidence: seenUp, goodSinceMs: 0, rejoin: "behind" },
    decided: undefined,
  },
  {
    name: "where that is not reported, three times the hold is waited",
    of: {
      record: record("down"),
      evidence: seenUp,
      goodSinceMs: NOW_MS - 14_999,
      rejoin: "unreported",
    },
    decided: undefined,
  },
  {
    name: "and not for ever",
    of: {
      record: record("down"),
      evidence: seenUp,
      goodSinceMs: NOW_MS - 15_000,
      rejoin: "unreported",
    },
    decided: { ...up, cause: "unplanned", flaps: 1, isRamped: true, needsLeader: true },
  },
  {
    name: "a verdict left by an earlier run of the federation holds nobody up",
    of: { record: record("down"), recordRevision: 9, evidence: { upZones: ["a"], downZones: [] } },
    decided: { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: true },
  },
  {
    name: "one federator older than the verdict is enough for the hold",
    of: { record: record("down"), recordRevision: 11, evidence: { upZones: ["a"], downZones: [] } },
    decided: undefined,
  },
  {
    name: "without any session nothing is known of runs",
    of: { record: record("down"), recordRevision: 9, evidence: { upZones: ["a"], downZones: [] } },
    around: { sessionRevisions: [] },
    decided: undefined,
  },
  {
    name: "without a witness, one zone's word brings it back",
    of: { record: record("down"), evidence: { upZones: ["a"], downZones: [] } },
    limits: { hasWitness: false, canTakeOut: false },
    decided: { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: true },
  },
];
for (const { name, of, limits: changed, around, nowMs = NOW_MS, decided } of cases) {
  test(name, () => {
    const surroundings = { ...SESSIONS, ...around };
    const decisions = judgeVerdicts([clusterCase(of), other], surroundings, nowMs, {
      ...limits,
      ...changed,
    });
    assert.deepEqual(decisions, decided === undefined ? [] : [decided]);
  });
}

const inHold = { record: record("down", "unplanned", 8), evidence: seenUp, goodSinceMs: NOW_MS };
const back = { ...up, cause: "unplanned", flaps: 8, isRamped: true, needsLeader: true } as const;
const needed: readonly {
  readonly name: string;
  readonly of?: Partial<ClusterCase>;
  readonly others: readonly Partial<ClusterCase>[];
  readonly around?: Partial<Surroundings>;
  readonly isBack: boolean;
}[] = [
  {
    name: "with the last one in service dead, who answers is back without its hold",
    others: [{ evidence: seenDown }],
    isBack: true,
  },
  {
    name: "so too where nobody can tell whether those in service are dead",
    others: [{ evidence: { upZones: ["a"], downZones: ["b"] } }, {}],
    isBack: true,
  },
  {
    name: "one in service that answers is enough for the hold",
    others: [{ evidence: seenDown }, { evidence: seenUp }],
    isBack: false,
  },
  {
    name: "so is one of which nobody was heard yet",
    others: [{}, {}],
    around: { hasHeardAll: false },
    isBack: false,
  },
  {
    name: "but one in quarantine serves nobody",
    others: [{ evidence: seenDown }, { evidence: seenUp, isQuarantined: true }],
    isBack: true,
  },
  {
    name: "a quarantined one is no help, and keeps its hold",
    of: { isQuarantined: true },
    others: [{ evidence: seenDown }],
    isBack: false,
  },
  {
    name: "who is stopped on purpose stays out, though all others are dead",
    of: { record: record("down", "planned", 8) },
    others: [{ evidence: seenDown }],
    isBack: false,
  },
  {
    name: "an agent that does not know what was decided while it was away stays out",
    of: { rejoin: "behind" },
    others: [{ evidence: seenDown }],
    isBack: false,
  },
  {
    name: "one zone's word is not enough",
    of: { evidence: { upZones: ["a"], downZones: [] } },
    others: [{ evidence: seenDown }],
    isBack: false,
  },
  {
    name: "where its zone does not say what its agent knows, it waits three holds, whatever its flaps",
    of: { rejoin: "unreported", goodSinceMs: NOW_MS - 14_999 },
    others: [{ evidence: seenDown }],
    isBack: false,
  },
  {
    name: "and no longer",
    of: { rejoin: "unreported", goodSinceMs: NOW_MS - 15_000 },
    others: [{ evidence: seenDown }],
    isBack: true,
  },
];
for (const { name, of, others, around, isBack } of needed) {
  test(name, () => {
    const cluster = clusterCase({ ...inHold, ...of });
    const inService = others.map((its, index) =>
      clusterCase({ clusterId: `other-${index}`, record: record("up"), ...its }),
    );
    const surroundings = { ...SESSIONS, ...around };
    const ups = judgeVerdicts([cluster, ...inService], surroundings, NOW_MS, limits).filter(
      ({ kind }) => kind === "up",
    );
    assert.deepEqual(ups, isBack ? [back] : []);
  });
}

test("the dead one leaves once the other is back", () => {
  const dead = clusterCase({ clusterId: "dead", record: record("up"), evidence: seenDown });
  const returned = clusterCase({ ...inHold, record: record("up", "unplanned", 8) });
  const [down] = judgeVerdicts([returned, dead], SESSIONS, NOW_MS, limits);
  assert.deepEqual([down?.kind, down?.clusterId], ["down", "dead"]);
});

test("the last cluster in service is never put down", () => {
  const last = clusterCase({ record: record("up"), evidence: seenDown });
  assert.deepEqual(judgeVerdicts([last], SESSIONS, NOW_MS, limits), []);
});

test("whatever the evidence, some cluster that was in service stays", () => {
  const zones = fc.subarray(["a", "b", "c", "d"]);
  const anyCase = fc.record({ upZones: zones, downZones: zones });
  fc.assert(
    fc.property(fc.array(anyCase, { minLength: 1, maxLength: 5 }), (evidence) => {
      const all = evidence.map((its, index) =>
        clusterCase({ clusterId: `c${index}`, record: record("up"), evidence: its }),
      );
      const downs = judgeVerdicts(all, SESSIONS, NOW_MS, limits);
      assert.ok(downs.length < all.length);
    }),
  );
});

test("the hold doubles with each flap, up to its maximum", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 30].map((flaps) => holdMs(flaps, limits)),
    [5_000, 5_000, 10_000, 20_000, 600_000],
  );
});

test("who is stopped on purpose leaves without a flap, but never as the last one", () => {
  const one = clusterCase({ record: record("up", "unplanned", 3), evidence: seenUp });
  const planned = { kind: "down", clusterId: "c", cause: "planned", flaps: 3, stays } as const;
  assert.deepEqual(judgePlannedDown("c", [one, other]), planned);
  assert.equal(judgePlannedDown("c", [one]), undefined);
  assert.equal(judgePlannedDown("c", [one, { ...other, record: record("down") }]), undefined);
  assert.equal(judgePlannedDown("c", [{ ...one, record: record("down") }, other]), undefined);
  assert.equal(judgePlannedDown("nobody", [one, other]), undefined);
});

test("an agent is current with a table of the verdict's revision or a later one of the same incarnation", () => {
  const verdictAt = { incarnation: "i", revision: 7 };
  assert.equal(judgeRejoin(undefined, verdictAt), "unreported");
  assert.equal(judgeRejoin({ incarnation: "before", revision: 99 }, verdictAt), "unreported");
  assert.equal(judgeRejoin({ incarnation: "i", revision: 6 }, verdictAt), "behind");
  assert.equal(judgeRejoin({ incarnation: "i", revision: 7 }, verdictAt), "current");
});
