import type { Clock } from "#lib/ports/clock.ts";

export interface Deadline {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** The work's own result, or `giveUp`'s error once the time is over or the signal aborts; the work is then left to itself. */
export async function withinDeadline<T>(
  work: Promise<T>,
  { clock, timeoutMs, signal }: Deadline,
  giveUp: (reason: string) => Error,
): Promise<T> {
  const finished = new AbortController();
  const givenUp = Promise.withResolvers<never>();
  const abort = () => givenUp.reject(giveUp("the caller gave up"));
  signal?.addEventListener("abort", abort, { once: true });
  clock.sleep(timeoutMs, finished.signal).then(
    () => givenUp.reject(giveUp(`no answer in ${timeoutMs} ms`)),
    () => undefined,
  );
  try {
    return await Promise.race([work, givenUp.promise]);
  } finally {
    finished.abort();
    signal?.removeEventListener("abort", abort);
  }
}
