import type { PaceLimits } from "./transfer-pace.ts";

/** How long a connection may take for what it has to do; each has one clear end. */
export interface DoorLimits extends PaceLimits {
  /** From the first byte of a request, or the start of the connection, to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** Without any request under way. */
  readonly idleTimeoutMs: number;
}
