import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import { withChange } from "../../core/transactions.ts";
import type { ApiPorts } from "./api-context.ts";

/** Reads again and tries again this often when others write the same records. */
const ATTEMPTS_MAX = 5;
/** How long an answer waits for this zone's replica and audit, and for all zones' gateways. */
const SETTLE_TIMEOUT_MS = 2_000;
const ENFORCE_TIMEOUT_MS = { gateways: SETTLE_TIMEOUT_MS, everybody: 5_000 } as const;

export interface PlannedChange<T> {
  readonly transaction: Transaction;
  readonly change: ChangeRecord;
  readonly outcome: T;
}

export interface Committed<T> {
  readonly revision: number;
  readonly outcome: T;
}

/** Plans from what the catalog holds and writes it, with its story, if nothing changed in between; else plans anew. */
export async function commitChange<T>(
  { catalog }: Pick<ApiPorts, "catalog">,
  plan: () => Promise<PlannedChange<T>>,
): Promise<Committed<T>> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const { transaction, change, outcome } = await plan();
    const result = await catalog.txn(withChange(transaction, change));
    if (result.kind === "committed") return { revision: result.revision, outcome };
  }
  throw new MeridianError(
    "MERIDIAN_CONFLICT",
    `Others changed the same thing ${ATTEMPTS_MAX} times meanwhile; nothing was changed here. Look and send it again.`,
  );
}

/** Until this zone can read its own write and has it in its audit; what takes longer happens after the answer. */
export async function untilApplied(
  { replica, audit, log }: Pick<ApiPorts, "replica" | "audit" | "log">,
  revision: number,
): Promise<void> {
  const signal = AbortSignal.timeout(SETTLE_TIMEOUT_MS);
  const outcomes = await Promise.allSettled([
    replica.waitFor(revision, signal),
    audit.waitFor(revision, signal),
  ]);
  for (const outcome of outcomes)
    if (outcome.status === "rejected")
      log.warn({ revision, err: outcome.reason }, "a committed change is not applied here yet");
}

/**
 * The same, and until the gateways of all zones have it too; names those that have and those that have not. What takes something
 * away is waited for longer, and at the agents as well: `everybody`. A `withdrawal`, of a key or a tenant, is in force there even
 * where the rest of the table is held back.
 */
export async function untilEnforced(
  ports: Pick<ApiPorts, "replica" | "audit" | "log" | "federation">,
  revision: number,
  what: "gateways" | "everybody" | "withdrawal" = "gateways",
): Promise<{ ready: string[]; waiting: string[] }> {
  const isWithdrawal = what === "withdrawal";
  const who = isWithdrawal ? "everybody" : what;
  const [applied] = await Promise.all([
    ports.federation.waitFor({ revision, timeoutMs: ENFORCE_TIMEOUT_MS[who], who, isWithdrawal }),
    untilApplied(ports, revision),
  ]);
  return applied;
}
