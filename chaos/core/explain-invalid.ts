import type { DrillReport } from "#lib/contracts/drill.ts";
import type { JudgedCall } from "./judge-calls.ts";

const CAUSES_TOLD_MAX = 3;

/** What helps the one who reads INVALID: why calls failed, and what to do where the machine was the reason. */
export function explainInvalid(
  judged: readonly JudgedCall[],
  { isHealthy }: DrillReport["generator"],
): string[] {
  const lost = judged.filter(({ verdict }) => verdict === "lost");
  const counts = [...Map.groupBy(lost, ({ cause }) => cause ?? "unknown")]
    .map(([cause, calls]) => ({ cause, calls: calls.length }))
    .toSorted((left, right) => right.calls - left.calls);
  const told = counts.slice(0, CAUSES_TOLD_MAX);
  const others = lost.length - told.reduce((sum, { calls }) => sum + calls, 0);
  const causes = told.map(({ cause, calls }) => `${calls} × ${cause}`);
  if (others > 0) causes.push(`${others} × other causes`);
  return [
    ...(causes.length === 0 ? [] : [`calls failed: ${causes.join(", ")}`]),
    // Where there was no load at all, something else went wrong than a want of time.
    ...(isHealthy || judged.length === 0
      ? []
      : ["this machine was too busy to measure on; close other programs and run it again"]),
  ];
}
