import type { PaceLimits } from "./transfer-pace.ts";

/** A caller that is gone without a word is noticed within a minute, however long its stream has nothing to say. */
export const TCP_KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

/** How long a connection may take for what it has to do; each has one clear end. */
export interface DoorLimits extends PaceLimits {
  /** From the first byte of a request, or the start of the connection, to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** Without any request under way. */
  readonly idleTimeoutMs: number;
}
