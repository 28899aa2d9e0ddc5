import type { KeptCall } from "../core/decide-replay.ts";
import type { FunctionAnswer } from "../core/read-answer.ts";
import type { ReplayKey } from "../core/replay-key.ts";

/** Where keys are kept for their window, and forgotten after it; `test/io/agents/replay-store.test.ts` holds each to that. */
export interface ReplayStore {
  /** Rejects where nobody can tell. */
  readonly find: (id: string) => Promise<KeptCall | undefined>;
  /** The call is about to run. As durable as the store is when it resolves; `false`: there is no room for the key. */
  readonly start: (key: ReplayKey) => Promise<boolean>;
  /** Of a call that was started; `false`: there is no answer to keep or no room for it, and the key alone stays. */
  readonly finish: (id: string, answer: FunctionAnswer | undefined) => Promise<boolean>;
  /** The call did not run after all. */
  readonly forget: (id: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface ReplayLimits {
  /** From the start of the first call with a key. */
  readonly windowMs: number;
  readonly keysMax: number;
  /** Of answers, and for each key what it takes without one. */
  readonly bytesMax: number;
}

/** What a key takes beside its answer's body and headers; an estimate, on the safe side. */
export const KEY_BYTES = 512;

export const answerBytes = ({ headers, body }: FunctionAnswer): number =>
  body.length + JSON.stringify(headers).length;
