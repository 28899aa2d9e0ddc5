import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { StageMarks, AttemptNote } from "../core/stage-times.ts";
import type { IdentifiedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { AgentAnswer, Outcome } from "../ports.ts";
import type { Forward } from "./forward.ts";

/** Notes that the call came this far, for the case that it turns out slow. */
export function mark<Call extends IdentifiedCall>(
  name: keyof StageMarks,
  clock: Clock,
): Stage<Call, Call> {
  return (next) => (call) => {
    call.receipt.marks[name] = clock.nowMs();
    return next(call);
  };
}

/** Notes each attempt in the call's receipt: when, where, and why it failed. */
export function noteAttempts(clock: Clock, forward: Forward): Forward {
  return async (attempt) => {
    const { call, zone, withdrawn } = attempt;
    const note: AttemptNote = {
      clusterId: zone.clusterId,
      beganAtMs: clock.nowMs(),
      endedAtMs: undefined,
      failure: undefined,
      reason: undefined,
      timing: undefined,
      coldStartPhases: undefined,
    };
    call.receipt.attemptNotes.push(note);
    const outcome = await forward(attempt);
    note.endedAtMs = clock.nowMs();
    if (outcome.kind === "answered") noteTiming(note, outcome.answer);
    if (withdrawn?.aborted === true) note.failure = "withdrawn";
    else noteFailure(note, outcome);
    return outcome;
  };
}

function noteTiming(note: AttemptNote, { headers }: AgentAnswer): void {
  note.timing = text(headers[ANSWER_HEADERS.timing]);
  note.coldStartPhases = text(headers[ANSWER_HEADERS.coldStartPhases]);
  if (headers[ANSWER_HEADERS.replayed] !== undefined) note.isReplayed = true;
}

function noteFailure(note: AttemptNote, outcome: Outcome): void {
  if (outcome.kind === "answered") return;
  note.failure = outcome.kind === "failed" ? outcome.failure : outcome.kind;
  if (outcome.kind === "failed") note.reason = outcome.reason;
}

const text = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;
