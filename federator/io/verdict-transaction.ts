import { randomUUID } from "node:crypto";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type {
  ChangeRecord,
  PlanInputRecord,
  VerdictRecord,
} from "#lib/contracts/catalog-records.ts";
import type { Compare, Transaction } from "#lib/ports/catalog.ts";
import type { ClusterCase, VerdictDecision } from "../core/judge-verdict.ts";
import { absent, type Held, modifiedAt, put, withChange } from "../core/transactions.ts";
import { RAMP_START_PERCENT } from "../core/plan-ramp.ts";

/**
 * Compare-and-set on the verdict before, with the start of the ramp and the entry for the audit in the same revision, so that a
 * cluster never comes back at its full share in between.
 */
export function verdictTransaction(
  decision: VerdictDecision,
  { clusterId, record, recordRevision, evidence }: ClusterCase,
  planInput: Held<PlanInputRecord> | undefined,
  fence: Compare | null,
  by: { readonly zone: string; readonly wallMs: number },
): Transaction {
  const isUp = decision.kind === "up";
  const key = keys.verdict(clusterId);
  const verdict: VerdictRecord = {
    clusterId,
    state: decision.kind,
    cause: isUp ? decision.cause : "unplanned",
    evidence: [...(isUp ? evidence.upZones : evidence.downZones)],
    decidedBy: by.zone,
    decidedAtMs: by.wallMs,
    flaps: decision.flaps,
  };
  const compares: Compare[] = [
    ...(fence === null ? [] : [fence]),
    record === undefined ? absent(key) : { kind: "modified-at", key, revision: recordRevision },
  ];
  const change = describeChange(verdict, by);
  if (!isUp || !decision.isRamped)
    return withChange({ compares, operations: [put(key, verdict)] }, change);

  const rampPercent = { ...planInput?.value.rampPercent, [clusterId]: RAMP_START_PERCENT };
  const rampKey = keys.planInput();
  compares.push(planInput === undefined ? absent(rampKey) : modifiedAt(rampKey, planInput));
  const operations = [put(key, verdict), put(rampKey, { rampPercent } satisfies PlanInputRecord)];
  return withChange({ compares, operations }, change);
}

function describeChange(
  verdict: VerdictRecord,
  by: { readonly zone: string; readonly wallMs: number },
): ChangeRecord {
  return {
    action: `cluster.${verdict.state}`,
    actor: `federator/${by.zone}`,
    requestId: randomUUID(),
    tenant: null,
    subject: verdict.clusterId,
    detail: {
      cause: verdict.cause,
      evidence: verdict.evidence.join(" "),
      flaps: verdict.flaps,
    },
    atMs: by.wallMs,
  };
}
