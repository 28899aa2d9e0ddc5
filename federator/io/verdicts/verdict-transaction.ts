import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { PlanInputRecord, VerdictRecord } from "#lib/contracts/control-records.ts";
import type { Compare, Transaction } from "#lib/ports/catalog.ts";
import type { ClusterCase, VerdictDecision } from "../../core/verdicts/judge-verdict.ts";
import { absent, type Held, modifiedAt, put, withChange } from "../../core/transactions.ts";
import { RAMP_START_PERCENT } from "../../core/verdicts/plan-ramp.ts";
import { witnesses } from "../../core/verdicts/weigh-evidence.ts";

/** Who decides, when, and the id under which the audit will name it. */
export interface Decider {
  readonly zone: string;
  readonly wallMs: number;
  readonly requestId: string;
}

/**
 * Compare-and-set on the verdict before, with the start of the ramp, the mark for functions whose failback is manual and the entry for
 * the audit in the same revision, so that a cluster never comes back at its full share in between; and on that of another cluster in service, so that the last one stays even
 * where two federators take out different ones at the same time.
 */
export function verdictTransaction(
  decision: VerdictDecision,
  { clusterId, record, recordRevision, evidence, sessionId }: ClusterCase,
  planInput: Held<PlanInputRecord> | undefined,
  fence: Compare | null,
  by: Decider,
): Transaction {
  const isUp = decision.kind === "up";
  const key = keys.verdict(clusterId);
  const { stoppedSession: _, ...before } = record ?? {};
  const isPlannedStop = !isUp && decision.cause === "planned";
  const verdict: VerdictRecord = {
    ...before,
    clusterId,
    state: decision.kind,
    cause: decision.cause,
    evidence: [...witnesses(evidence, decision.kind)],
    decidedBy: by.zone,
    decidedAtMs: by.wallMs,
    flaps: decision.flaps,
    ...(isPlannedStop && sessionId !== undefined && { stoppedSession: sessionId }),
  };
  const compares: Compare[] = [
    ...(fence === null ? [] : [fence]),
    record === undefined ? absent(key) : { kind: "modified-at", key, revision: recordRevision },
    ...(decision.kind === "down" ? [isStill(decision.stays)] : []),
  ];
  const change = describeChange(verdict, fence, by);
  if (!isUp || !decision.isRamped)
    return withChange({ compares, operations: [put(key, verdict)] }, change);

  const rampPercent = { ...planInput?.value.rampPercent, [clusterId]: RAMP_START_PERCENT };
  const rampKey = keys.planInput();
  compares.push(planInput === undefined ? absent(rampKey) : modifiedAt(rampKey, planInput));
  const awaitsFailback = [...new Set([...(planInput?.value.awaitsFailback ?? []), clusterId])];
  const input: PlanInputRecord = { ...planInput?.value, rampPercent, awaitsFailback };
  const operations = [put(key, verdict), put(rampKey, input)];
  return withChange({ compares, operations }, change);
}

const isStill = ({
  clusterId,
  recordRevision,
}: Pick<ClusterCase, "clusterId" | "recordRevision">): Compare => ({
  kind: "modified-at",
  key: keys.verdict(clusterId),
  revision: recordRevision,
});

function describeChange(verdict: VerdictRecord, fence: Compare | null, by: Decider): ChangeRecord {
  return {
    action: `cluster.${verdict.state}`,
    actor: `federator/${by.zone}`,
    requestId: by.requestId,
    tenant: null,
    subject: verdict.clusterId,
    detail: {
      cause: verdict.cause,
      evidence: verdict.evidence.join(" "),
      flaps: verdict.flaps,
      // By the token it can be seen afterwards that no leader acted after another one was elected.
      ...(fence?.kind === "created-at" && { leaderToken: fence.revision }),
    },
    atMs: by.wallMs,
  };
}
