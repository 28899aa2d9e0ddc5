/** How slow a caller may be while it sends its body or takes its answer. */
export interface PaceLimits {
  /** What a transfer may stand still, once in a row or added up. */
  readonly stallMs: number;
  /** Over a longer time it has to be this quick; large bodies over slow lines pass, trickles do not. */
  readonly bytesPerSecondMin: number;
}

/**
 * The time a transfer may go on waiting: bytes earn it, waiting for the caller spends it, and it cannot be saved up. Time in
 * which the gateway is what is waited for is not counted.
 */
export function slackAfter(
  slackMs: number,
  waitedMs: number,
  bytes: number,
  { stallMs, bytesPerSecondMin }: PaceLimits,
): number {
  return Math.min(stallMs, slackMs - waitedMs + (bytes * 1_000) / bytesPerSecondMin);
}
