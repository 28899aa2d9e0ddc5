/** The two kinds of time, never mixed: decisions use the monotonic one, people read the other. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970, for records and logs. */
  readonly wallMs: () => number;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  readonly sleep: (delayMs: number, signal?: AbortSignal) => Promise<void>;
}
