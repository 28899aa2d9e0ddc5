import type { Drill } from "./drill.ts";

/** Calls through living doors that ended in one interval of the generator's. */
export interface LoadTick {
  readonly atMs: number;
  readonly ok: number;
  readonly failed: number;
}

/** A window with fewer calls ends no drill. */
const WINDOW_CALLS_MIN = 10;

/** Why the drill has to end now, judged over the last window; undefined to go on. */
export function judgeAbort(
  ticks: readonly LoadTick[],
  { failedPercentMax, windowMs }: Drill["abort"],
  nowMs: number,
): string | undefined {
  const recent = ticks.filter(({ atMs }) => atMs > nowMs - windowMs);
  const failed = recent.reduce((sum, tick) => sum + tick.failed, 0);
  const calls = recent.reduce((sum, tick) => sum + tick.ok + tick.failed, 0);
  if (calls < WINDOW_CALLS_MIN || (failed / calls) * 100 <= failedPercentMax) return undefined;
  const percent = ((failed / calls) * 100).toFixed(0);
  return `${percent} % of the calls failed within ${windowMs} ms; the drill allows ${failedPercentMax} %`;
}
