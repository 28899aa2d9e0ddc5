import type { AttemptNote } from "../../../gateway/core/stage-times.ts";

/** An attempt at eu-west's cluster that was answered, but for what is said. */
export const attemptNote = (
  beganAtMs: number,
  endedAtMs: number,
  said: Partial<AttemptNote> = {},
): AttemptNote => ({
  clusterId: "eu-west-1",
  beganAtMs,
  endedAtMs,
  failure: undefined,
  reason: undefined,
  timing: undefined,
  coldStartPhases: undefined,
  ...said,
});
