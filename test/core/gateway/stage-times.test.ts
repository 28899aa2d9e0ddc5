import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  type CallTimes,
  overheadMs,
  slowestStage,
  type StageName,
  stageTimes,
  type AttemptNote,
} from "../../../gateway/core/stage-times.ts";
import { attemptNote } from "./attempt-note.ts";

const failed = (beganAtMs: number, endedAtMs: number): AttemptNote =>
  attemptNote(beganAtMs, endedAtMs, { failure: "not-sent", reason: "refused" });

/** A call that takes one millisecond in each stage of the gateway, and ten in its cluster. */
const usual: CallTimes = {
  receivedAtMs: 0,
  marks: { admitAtMs: 1, planAtMs: 2, forwardAtMs: 3 },
  attemptNotes: [attemptNote(4, 14, { timing: "queue;dur=2.0, run;dur=7.0" })],
  answeredAtMs: 14,
  finishedAtMs: 15,
};

const cases: readonly (readonly [string, Partial<CallTimes>, StageName])[] = [
  ["a key that is looked up slowly", { marks: marksAt(800, 801, 802) }, "authenticate"],
  ["a body that trickles in", { marks: marksAt(1, 900, 901) }, "admit"],
  ["a plan that is worked out slowly", { marks: marksAt(1, 2, 900) }, "plan"],
  ["a wait for a cluster to come back", { attemptNotes: [attemptNote(800, 810)] }, "choose"],
  [
    "an attempt that failed slowly",
    { attemptNotes: [failed(3, 700), attemptNote(701, 800)] },
    "attempts",
  ],
  ["a pause between attempts", { attemptNotes: [failed(3, 4), attemptNote(700, 800)] }, "choose"],
  [
    "an instance that was busy",
    { attemptNotes: [attemptNote(3, 900, { timing: "queue;dur=600, run;dur=200" })] },
    "queue",
  ],
  [
    "an instance that had to be started",
    {
      attemptNotes: [
        attemptNote(3, 900, {
          timing: "queue;dur=600, run;dur=200",
          coldStartPhases: "queue;dur=600, code;dur=100, sandbox;dur=100, init;dur=300",
        }),
      ],
    },
    "cold-start",
  ],
  ["a cluster that says nothing of its time", { attemptNotes: [attemptNote(3, 900)] }, "link"],
  [
    "an attempt without an end",
    { attemptNotes: [{ ...attemptNote(3, 0), endedAtMs: undefined }] },
    "link",
  ],
  ["a caller who reads slowly", { answeredAtMs: 14, finishedAtMs: 5_000 }, "answer"],
];
for (const [name, changes, stage] of cases)
  test(`${name}: ${stage}`, () => {
    const answeredAtMs = changes.finishedAtMs === undefined ? 901 : usual.answeredAtMs;
    const times = { ...usual, answeredAtMs, finishedAtMs: answeredAtMs + 1, ...changes };
    assert.equal(slowestStage(stageTimes(times)), stage, JSON.stringify(stageTimes(times)));
  });

function marksAt(admitAtMs: number, planAtMs: number, forwardAtMs: number) {
  return { admitAtMs, planAtMs, forwardAtMs };
}

describe("the times of a call", () => {
  test("add up", () => {
    assert.deepEqual(stageTimes(usual), {
      authenticate: 1,
      admit: 1,
      plan: 1,
      choose: 1,
      attempts: 0,
      queue: 2,
      "cold-start": 0,
      function: 7,
      "same-key": 0,
      link: 1,
      answer: 1,
    });
    assert.equal(overheadMs(usual), 7);
  });

  test("of a call that was refused at the door are those of the stage it came to", () => {
    const marks = { admitAtMs: undefined, planAtMs: undefined, forwardAtMs: undefined };
    const times = stageTimes({ ...usual, marks, attemptNotes: [] });
    assert.equal(times.authenticate, 14);
    assert.equal(times.admit + times.plan + times.choose + times.link, 0);
  });

  test("of attempts side by side count once", () => {
    const attemptNotes = [failed(3, 103), failed(53, 153), attemptNote(153, 160)];
    assert.equal(stageTimes({ ...usual, attemptNotes, answeredAtMs: 160 }).attempts, 150);
  });

  test("a cluster cannot claim more than its attempt took, nor say nonsense", () => {
    for (const timing of [
      "run;dur=99999",
      "queue;dur=50, run;dur=50",
      "run;dur=-1",
      "x".repeat(9_999),
    ]) {
      const times = stageTimes({ ...usual, attemptNotes: [attemptNote(4, 14, { timing })] });
      assert.ok(times.function <= 10 && times.link >= 0 && times.queue >= 0, timing);
    }
  });

  test("whatever the marks, no stage of a call in order is negative and the sum is its duration", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 9, maxLength: 9 });
    fc.assert(
      fc.property(steps, fc.boolean(), (gaps, isRetried) => {
        let atMs = 0;
        const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0] = gaps.map(
          (gap) => (atMs += gap),
        );
        const attemptNotes = isRetried ? [failed(d, e), attemptNote(f, g)] : [attemptNote(d, e)];
        const times = { receivedAtMs: 0, marks: marksAt(a, b, c), attemptNotes };
        const stages = stageTimes({ ...times, answeredAtMs: h, finishedAtMs: i });
        const all = Object.values(stages);
        assert.ok(
          all.every((ms) => ms >= 0),
          JSON.stringify(stages),
        );
        assert.equal(
          all.reduce((sum, ms) => sum + ms),
          i,
        );
      }),
    );
  });
});

test("who waits for a call with the same key waits for the function, not for the link", () => {
  const joined = {
    ...usual,
    attemptNotes: [attemptNote(4, 5_014, { isReplayed: true })],
    answeredAtMs: 5_014,
    finishedAtMs: 5_015,
  };
  const times = stageTimes(joined);
  assert.deepEqual([times["same-key"], times.link], [5_010, 0]);
  assert.ok(overheadMs(joined) < 10);
  assert.notEqual(slowestStage(times), "same-key");
});
