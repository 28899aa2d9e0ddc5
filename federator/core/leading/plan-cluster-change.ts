import { keys } from "#lib/contracts/catalog-keys.ts";
import type {
  ClusterRecord,
  PlanInputRecord,
  VerdictRecord,
} from "#lib/contracts/control-records.ts";
import type { Compare, Operation, Transaction } from "#lib/ports/catalog.ts";
import { RAMP_START_PERCENT } from "../verdicts/plan-ramp.ts";
import { absent, type Held, modifiedAt, put } from "../transactions.ts";

export const CLUSTER_VERBS = ["drain", "undrain", "quarantine", "release"] as const;
export type ClusterVerb = (typeof CLUSTER_VERBS)[number];

/** What the catalog holds of one cluster. */
export interface ClusterStanding {
  readonly clusterId: string;
  readonly verdict: VerdictRecord | undefined;
  readonly record: Held<ClusterRecord> | undefined;
}

export interface ClusterWish {
  readonly verb: ClusterVerb;
  readonly clusterId: string;
  readonly reason: string;
  readonly actor: string;
  readonly force: boolean;
}

export type ClusterChangePlan =
  | {
      readonly kind: "change";
      readonly record: ClusterRecord;
      readonly planInput: PlanInputRecord | undefined;
      readonly transaction: Transaction;
    }
  /** None of the others is up and in service. */
  | { readonly kind: "last-cluster" }
  | { readonly kind: "quarantined" }
  | { readonly kind: "unknown" };

type Mode = ClusterRecord["mode"];

/**
 * An operator's word on a cluster. Whatever brings a cluster that is up back into service starts its ramp in the same revision.
 * All clusters' records are compared, so that two operators cannot take the last two out at the same moment.
 */
export function planClusterChange(
  wish: ClusterWish,
  clusters: readonly ClusterStanding[],
  planInput: Held<PlanInputRecord> | undefined,
  wallMs: number,
): ClusterChangePlan {
  const { verb, clusterId, reason, actor } = wish;
  const own = clusters.find((one) => one.clusterId === clusterId);
  if (own === undefined) return { kind: "unknown" };
  const mode = own.record?.value.mode ?? "in-service";
  if (mode === "quarantined" && (verb === "drain" || verb === "undrain"))
    return { kind: "quarantined" };

  const next = modeAfter(verb, mode);
  const others = clusters.filter((one) => one !== own);
  if (next !== "in-service" && takesCalls(own) && !others.some(takesCalls) && !wish.force)
    return { kind: "last-cluster" };

  const record: ClusterRecord = {
    ...own.record?.value,
    clusterId,
    mode: next,
    reason,
    changedBy: actor,
    changedAtMs: wallMs,
  };
  const returns = mode !== "in-service" && next === "in-service" && own.verdict?.state === "up";
  const input = inputAfter(planInput?.value, clusterId, verb, returns);
  const compares: Compare[] = clusters.map(({ clusterId: id, record: held }) =>
    held === undefined ? absent(keys.cluster(id)) : modifiedAt(keys.cluster(id), held),
  );
  const operations: Operation[] = [put(keys.cluster(clusterId), record)];
  if (input !== undefined) {
    const key = keys.planInput();
    compares.push(planInput === undefined ? absent(key) : modifiedAt(key, planInput));
    operations.push(put(key, input));
  }
  return {
    kind: "change",
    record,
    planInput: input ?? planInput?.value,
    transaction: { compares, operations },
  };
}

function modeAfter(verb: ClusterVerb, mode: Mode): Mode {
  switch (verb) {
    case "drain":
      return "draining";
    case "quarantine":
      return "quarantined";
    case "undrain":
      return "in-service";
    case "release":
      return mode === "quarantined" ? "in-service" : mode;
  }
}

const takesCalls = ({ verdict, record }: ClusterStanding): boolean =>
  verdict?.state === "up" && (record?.value.mode ?? "in-service") === "in-service";

/** Undefined where nothing of it changes. */
function inputAfter(
  before: PlanInputRecord | undefined,
  clusterId: string,
  verb: ClusterVerb,
  returns: boolean,
): PlanInputRecord | undefined {
  const waits = before?.awaitsFailback ?? [];
  const isReleased = verb === "release" && waits.includes(clusterId);
  if (!isReleased && !returns) return undefined;
  return {
    ...before,
    rampPercent: {
      ...before?.rampPercent,
      ...(returns && { [clusterId]: RAMP_START_PERCENT }),
    },
    ...(isReleased && { awaitsFailback: waits.filter((id) => id !== clusterId) }),
  };
}
