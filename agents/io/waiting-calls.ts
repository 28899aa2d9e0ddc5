import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { coldStartQueue } from "../core/cold-start-queue.ts";
import { type CallOutcome, type PoolCall, refused } from "./call-outcome.ts";

/** A call in the queue of its version. */
export interface WaitingCall {
  readonly call: PoolCall;
  readonly joinedAtMs: number;
  readonly settle: (outcome: CallOutcome) => void;
}

export interface WaitingCalls {
  readonly length: () => number;
  /** How long the oldest has waited; 0 where there is none. */
  readonly longestMs: () => number;
  /** Resolves once somebody took the call and settled it; it leaves by itself at its deadline or when its caller does. */
  readonly wait: (call: PoolCall) => Promise<CallOutcome>;
  readonly takeNext: () => WaitingCall | undefined;
  readonly takeAll: () => readonly WaitingCall[];
}

export function waitingCalls(lengthMax: number, clock: Clock): WaitingCalls {
  const queue = coldStartQueue<WaitingCall>(lengthMax);

  const wait = (call: PoolCall): Promise<CallOutcome> => {
    const { promise, resolve } = Promise.withResolvers<CallOutcome>();
    const joinedAtMs = clock.nowMs();
    const leave = (error: () => MeridianError) => {
      if (queue.leave(waiting)) waiting.settle(refused(error()));
    };
    const onAbort = () => leave(callerGone);
    const timer = setTimeout(() => leave(outOfTime), call.deadlineAtMs - joinedAtMs);
    const waiting: WaitingCall = {
      call,
      joinedAtMs,
      settle: (outcome) => {
        clearTimeout(timer);
        call.signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      },
    };
    call.signal.addEventListener("abort", onAbort, { once: true });
    if (call.signal.aborted) waiting.settle(refused(callerGone()));
    else if (!queue.join(waiting, call.deadlineAtMs)) waiting.settle(refused(full(lengthMax)));
    return promise;
  };

  return {
    length: queue.length,
    longestMs: () => {
      const oldest = queue.oldest();
      return oldest === undefined ? 0 : clock.nowMs() - oldest.joinedAtMs;
    },
    wait,
    takeNext: () => queue.takeNext(clock.nowMs()),
    takeAll: queue.takeAll,
  };
}

const callerGone = (): MeridianError =>
  new MeridianError("MERIDIAN_CONNECTION_LOST", "The caller is gone; the call was not started.");

const outOfTime = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_DEADLINE_EXCEEDED",
    "No instance was free before the call's time was up; try again, or give it more time.",
  );

const full = (lengthMax: number): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    `${lengthMax} calls of this function wait for an instance already; try again in a moment.`,
  );
