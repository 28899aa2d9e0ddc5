import {
  describeRefusal,
  judgeRefusal,
  type Refusal,
} from "../../core/kubernetes/judge-refusal.ts";

/** A request that the API of a cluster refused, or did not answer. */
export class ClusterRefusal extends Error {
  override readonly name = "ClusterRefusal";
  readonly refusal: Refusal;

  constructor(refusal: Refusal, cause: unknown) {
    super(describeRefusal(refusal), { cause });
    this.refusal = refusal;
  }
}

export const isStatus = (error: unknown, status: number): boolean =>
  error instanceof ClusterRefusal && error.refusal.status === status;

const ATTEMPTS_MAX = 5;

/** Asks again while that may help; what comes out is a ClusterRefusal, or what `sleep` was ended with. */
export async function persist<T>(
  ask: () => Promise<T>,
  sleep: (delayMs: number) => Promise<void>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ClusterRefusal)) throw error;
      const verdict = judgeRefusal(error.refusal, attempt, ATTEMPTS_MAX);
      if (verdict.kind === "stop") throw error;
      await sleep(verdict.afterMs);
    }
  }
}
