import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CallEnding,
  decideReplay,
  keepsAnswer,
  type KnownCall,
  type ReplayDecision,
} from "../../../agents/core/decide-replay.ts";
import type { FunctionAnswer } from "../../../agents/core/read-answer.ts";

const answer: FunctionAnswer = { status: 200, headers: {}, body: Buffer.from("said") };
const same = "the request";
const running: KnownCall = { state: "running", fingerprint: same };
const answered: KnownCall = { state: "answered", fingerprint: same, answer };
const notKept: KnownCall = { state: "answer-not-kept", fingerprint: same };
const unknown: KnownCall = { state: "outcome-unknown", fingerprint: same };

interface Case {
  readonly name: string;
  readonly known: KnownCall | undefined;
  readonly decision: ReplayDecision;
  /** Where it is another one. */
  readonly ifIdempotent?: ReplayDecision;
}

const run: ReplayDecision = { kind: "run" };
const refuse = (reason: Extract<ReplayDecision, { kind: "refuse" }>["reason"]): ReplayDecision => ({
  kind: "refuse",
  reason,
});

const cases: readonly Case[] = [
  { name: "an unknown key runs", known: undefined, decision: run },
  { name: "while the first runs, others join it", known: running, decision: { kind: "join" } },
  { name: "a known answer is given again", known: answered, decision: { kind: "replay", answer } },
  {
    name: "an answer that was not kept means that it ran",
    known: notKept,
    decision: refuse("answer-not-kept"),
    ifIdempotent: run,
  },
  {
    name: "a start without an end may have run",
    known: unknown,
    decision: refuse("outcome-unknown"),
    ifIdempotent: run,
  },
  ...[running, answered, notKept, unknown].map((known) => ({
    name: `another request under the key of one that is ${known.state} is refused`,
    known: { ...known, fingerprint: "another request" },
    decision: refuse("other-request"),
  })),
];

for (const { name, known, decision, ifIdempotent = decision } of cases)
  test(name, () => {
    const asked = { fingerprint: same };
    assert.deepEqual(decideReplay(known, { ...asked, isIdempotent: false }), decision);
    assert.deepEqual(decideReplay(known, { ...asked, isIdempotent: true }), ifIdempotent);
  });

const endings: readonly [CallEnding, boolean, boolean][] = [
  // ending, kept of a function that is not idempotent, kept of one that is
  ["told", true, true],
  ["unknown", true, false],
  ["not-executed", false, false],
];
for (const [ending, once, again] of endings)
  test(`the answer of a call that ended ${ending} is kept: ${once}, of an idempotent function: ${again}`, () => {
    assert.equal(keepsAnswer(ending, false), once);
    assert.equal(keepsAnswer(ending, true), again);
  });
