import type { RememberedOutcome } from "#lib/catalog/history.ts";

/** Outcomes of transactions by their ids, the oldest dropped for the newest. */
export interface RecentOutcomes {
  readonly recall: (operationId: string) => RememberedOutcome | undefined;
  readonly remember: (operationId: string, outcome: RememberedOutcome) => void;
  readonly forget: (operationId: string) => void;
}

export function recentOutcomes(countMax: number): RecentOutcomes {
  const outcomes = new Map<string, RememberedOutcome>();
  return {
    recall: (operationId) => outcomes.get(operationId),
    remember: (operationId, outcome) => {
      outcomes.set(operationId, withoutChanges(outcome));
      if (outcomes.size <= countMax) return;
      for (const oldest of outcomes.keys()) {
        outcomes.delete(oldest);
        return;
      }
    },
    forget: (operationId) => void outcomes.delete(operationId),
  };
}

const withoutChanges = (outcome: RememberedOutcome): RememberedOutcome =>
  outcome.kind === "applied" ? { ...outcome, changes: [] } : outcome;
