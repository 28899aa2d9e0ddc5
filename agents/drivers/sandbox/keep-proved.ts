/** Twice as long after each failure: what is in the way may be gone in a moment, or need an operator. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 300_000;

export interface Proving {
  /** Rejects where nothing could be found out, which is not the same as finding out something bad. */
  readonly prove: () => Promise<void>;
  readonly onFailed: (error: unknown) => void;
}

export interface KeptProof {
  /** Proves so much later, or after the proof that is under way by then. */
  readonly proveSoon: (delayMs: number) => void;
  /** Resolves when a proof has come to its end, either way, or none will be made. */
  readonly tried: Promise<void>;
  /** Why the last proof came to nothing; undefined where it did not. */
  readonly trouble: () => string | undefined;
  readonly close: () => void;
}

/** One proof at a time, and another with back-off after one that failed, so that a bad moment does not last for ever. */
export function keepProved({ prove, onFailed }: Proving): KeptProof {
  const tried = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  let isUnderway = false;
  let isDue = false;
  let isClosed = false;
  let retryMs = RETRY_MIN_MS;
  let trouble: string | undefined;

  const proveSoon = (delayMs: number): void => {
    clearTimeout(timer);
    if (isClosed) return;
    timer = setTimeout(() => {
      if (isUnderway) isDue = true;
      else void proveNow();
    }, delayMs).unref();
  };
  const proveNow = async (): Promise<void> => {
    isUnderway = true;
    try {
      await prove();
      trouble = undefined;
      retryMs = RETRY_MIN_MS;
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
      if (!isClosed) onFailed(error);
      proveSoon(retryMs);
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
    isUnderway = false;
    tried.resolve();
    if (isDue) proveSoon(0);
    isDue = false;
  };

  return {
    proveSoon,
    tried: tried.promise,
    trouble: () => trouble,
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      tried.resolve();
    },
  };
}
