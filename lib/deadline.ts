import type { Clock } from "#lib/ports/clock.ts";

/** A limit in time on some work; disposing it, when the work is done, ends its timer. */
export interface Deadline extends Disposable {
  /** Aborts when the time is over, or with the signal it was made from. */
  readonly signal: AbortSignal;
}

/** One for all: nobody sees it, and an error with its stack is not free. */
const WORK_IS_DONE = new Error("the work was done in time");

/** `using limit = deadline(clock, 2_000, signal)`: on the injected clock, so that a simulation decides when it is over. */
export function deadline(clock: Clock, timeoutMs: number, signal?: AbortSignal): Deadline {
  const limit = new AbortController();
  const stop = (): void => limit.abort(signal?.reason);
  const done = new AbortController();
  clock.sleep(timeoutMs, done.signal).then(
    () => limit.abort(new Error(`not done in ${timeoutMs} ms`)),
    () => undefined,
  );
  if (signal?.aborted === true) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return {
    signal: limit.signal,
    [Symbol.dispose]: () => {
      done.abort(WORK_IS_DONE);
      signal?.removeEventListener("abort", stop);
    },
  };
}
