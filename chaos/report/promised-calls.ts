import type { DrillReport } from "#lib/contracts/drill.ts";

/** The idempotent calls, those apart that no federation can keep, so that none is told as kept that was not. */
export function countIdempotent({ series }: Pick<DrillReport, "series">): {
  readonly promised: number;
  readonly connectionLost: number;
} {
  const idempotent = series.filter((one) => one.isIdempotent);
  const connectionLost = idempotent.reduce((sum, one) => sum + one.connectionLost, 0);
  const sent = idempotent.reduce((sum, one) => sum + one.sent, 0);
  return { promised: sent - connectionLost, connectionLost };
}
