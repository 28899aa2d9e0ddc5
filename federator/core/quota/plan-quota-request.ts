import { keys } from "#lib/contracts/catalog-keys.ts";
import type { QuotaCode, QuotaRecord, QuotaRequestRecord } from "#lib/contracts/quota-records.ts";
import type { Operation, Transaction } from "#lib/ports/catalog.ts";
import { absent, type Held, modifiedAt, put, remove } from "../transactions.ts";

/** Decided requests kept for each tenant; the audit has the older ones. */
const DECIDED_REQUESTS_MAX = 50;

const BOUNDS: Readonly<Record<QuotaCode, { readonly min: number; readonly max: number }>> = {
  "requests-per-second": { min: 1, max: 1_000_000 },
  burst: { min: 10, max: 1_000_000 },
  concurrency: { min: 1, max: 100_000 },
};

export interface QuotaWish {
  readonly id: string;
  readonly tenant: string;
  readonly quotaCode: QuotaCode;
  readonly desiredValue: number;
  readonly reason: string;
  readonly actor: string;
}

export type QuotaRequestPlan =
  | {
      readonly kind: "request";
      readonly record: QuotaRequestRecord;
      readonly transaction: Transaction;
    }
  | { readonly kind: "out-of-bounds"; readonly min: number; readonly max: number }
  | { readonly kind: "no-change" }
  | { readonly kind: "already-open"; readonly id: string };

/** A new request; the marker of the open one keeps it single, whichever zones two of them arrive in. */
export function planQuotaRequest(
  wish: QuotaWish,
  quota: QuotaRecord,
  openId: string | undefined,
  requestsOfTenant: readonly QuotaRequestRecord[],
  wallMs: number,
): QuotaRequestPlan {
  const { id, tenant, quotaCode, desiredValue, reason, actor } = wish;
  const bounds = BOUNDS[quotaCode];
  if (desiredValue < bounds.min || desiredValue > bounds.max)
    return { kind: "out-of-bounds", ...bounds };
  const currentValue = quota.limits[quotaCode];
  if (currentValue === desiredValue) return { kind: "no-change" };
  if (openId !== undefined) return { kind: "already-open", id: openId };

  const record: QuotaRequestRecord = {
    id,
    tenant,
    quotaCode,
    currentValue,
    desiredValue,
    reason,
    state: "PENDING",
    requestedBy: actor,
    requestedAtMs: wallMs,
    decidedBy: null,
    decidedAtMs: null,
    decisionReason: null,
  };
  const marker = keys.openQuotaRequest(tenant, quotaCode);
  return {
    kind: "request",
    record,
    transaction: {
      compares: [absent(marker), absent(keys.quotaRequest(id))],
      operations: [
        put(marker, id),
        put(keys.quotaRequest(id), record),
        ...forgetOldest(requestsOfTenant),
      ],
    },
  };
}

function forgetOldest(requests: readonly QuotaRequestRecord[]): readonly Operation[] {
  const decided = requests.filter((request) => request.state !== "PENDING");
  return decided
    .toSorted((a, b) => (a.decidedAtMs ?? 0) - (b.decidedAtMs ?? 0))
    .slice(0, Math.max(0, decided.length - DECIDED_REQUESTS_MAX))
    .map((request) => remove(keys.quotaRequest(request.id)));
}

export type QuotaVerb = "approve" | "deny" | "cancel";
const STATE_AFTER = { approve: "APPROVED", deny: "DENIED", cancel: "CANCELLED" } as const;

export type QuotaDecisionPlan =
  | {
      readonly kind: "decide";
      readonly record: QuotaRequestRecord;
      readonly transaction: Transaction;
    }
  | { readonly kind: "own-request" }
  | { readonly kind: "already-decided"; readonly state: QuotaRequestRecord["state"] };

/** Four eyes: who asked does not decide. An approval changes request and limit in one revision. */
export function planQuotaDecision(
  request: Held<QuotaRequestRecord>,
  quota: Held<QuotaRecord>,
  decision: { readonly verb: QuotaVerb; readonly actor: string; readonly reason: string | null },
  wallMs: number,
): QuotaDecisionPlan {
  const { verb, actor, reason } = decision;
  const { id, tenant, quotaCode, desiredValue, state, requestedBy } = request.value;
  if (verb !== "cancel" && requestedBy === actor) return { kind: "own-request" };
  if (state !== "PENDING") return { kind: "already-decided", state };

  const record: QuotaRequestRecord = {
    ...request.value,
    state: STATE_AFTER[verb],
    decidedBy: actor,
    decidedAtMs: wallMs,
    decisionReason: reason,
  };
  const settled = [
    put(keys.quotaRequest(id), record),
    remove(keys.openQuotaRequest(tenant, quotaCode)),
  ];
  const requestUnchanged = modifiedAt(keys.quotaRequest(id), request);
  if (verb !== "approve")
    return {
      kind: "decide",
      record,
      transaction: { compares: [requestUnchanged], operations: settled },
    };
  const limits: QuotaRecord = {
    ...quota.value,
    limits: { ...quota.value.limits, [quotaCode]: desiredValue },
  };
  return {
    kind: "decide",
    record,
    transaction: {
      compares: [requestUnchanged, modifiedAt(keys.quota(tenant), quota)],
      operations: [...settled, put(keys.quota(tenant), limits)],
    },
  };
}
