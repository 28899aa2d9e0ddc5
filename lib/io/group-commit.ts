import { MeridianError } from "#lib/errors.ts";
import { withinDeadline } from "#lib/io/within-deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";

export interface GroupCommitLimits {
  readonly timeoutMs: number;
  readonly groupMax: number;
  readonly queuedMax: number;
  readonly queuedBytesMax: number;
}

/** Writes that come while a commit runs go together into the next one. */
export interface GroupCommit<Write, Outcome> {
  /** Given up in the queue: MERIDIAN_CATALOG_UNAVAILABLE, and it is never made. Given up later: MERIDIAN_WRITE_AMBIGUOUS. */
  readonly write: (write: Write, bytes: number, signal?: AbortSignal) => Promise<Outcome>;
}

interface Waiting<Write, Outcome> {
  readonly write: Write;
  readonly bytes: number;
  readonly settled: PromiseWithResolvers<Outcome>;
}

/** One fsync for many callers. `commit` answers with one outcome a write, in order, or fails for all of them. */
export function groupCommit<Write, Outcome>(
  commit: (writes: readonly Write[]) => Promise<readonly Outcome[]>,
  clock: Clock,
  limits: GroupCommitLimits,
): GroupCommit<Write, Outcome> {
  let queue: Waiting<Write, Outcome>[] = [];
  let queuedBytes = 0;
  let isCommitting = false;

  const leaveQueue = (leaving: readonly Waiting<Write, Outcome>[]) => {
    const isLeaving = new Set(leaving);
    queue = queue.filter((waiting) => !isLeaving.has(waiting));
    for (const { bytes } of leaving) queuedBytes -= bytes;
  };

  const commitQueue = async (): Promise<void> => {
    if (isCommitting) return;
    isCommitting = true;
    while (queue.length > 0) {
      const group = queue.slice(0, limits.groupMax);
      leaveQueue(group);
      try {
        const outcomes = await commit(group.map(({ write }) => write));
        outcomes.forEach((outcome, index) => group[index]?.settled.resolve(outcome));
      } catch (error) {
        for (const { settled } of group) settled.reject(error);
      }
    }
    isCommitting = false;
  };

  return {
    write: (write, bytes, signal) => {
      if (queue.length >= limits.queuedMax || queuedBytes + bytes > limits.queuedBytesMax)
        throw new MeridianError(
          "MERIDIAN_CATALOG_UNAVAILABLE",
          "Too many writes are waiting for the catalog; nothing was changed. Try again later.",
        );
      const waiting = { write, bytes, settled: Promise.withResolvers<Outcome>() };
      queue.push(waiting);
      queuedBytes += bytes;
      void commitQueue();
      const { timeoutMs } = limits;
      return withinDeadline(waiting.settled.promise, { clock, timeoutMs, signal }, (reason) => {
        if (!queue.includes(waiting))
          return new MeridianError(
            "MERIDIAN_WRITE_AMBIGUOUS",
            `The catalog did not confirm the change (${reason}); look before repeating it.`,
          );
        leaveQueue([waiting]);
        return new MeridianError(
          "MERIDIAN_CATALOG_UNAVAILABLE",
          `The change was not made: ${reason}.`,
        );
      });
    },
  };
}
