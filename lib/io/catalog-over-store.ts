import {
  checkLeaseId,
  checkLeaseTtl,
  checkRange,
  checkRevision,
  checkTransaction,
  checkWatch,
} from "#lib/catalog/limits.ts";
import type { CatalogWrite, WriteOutcome } from "#lib/catalog/history.ts";
import { MeridianError } from "#lib/errors.ts";
import type { CatalogStore } from "#lib/io/catalog-store.ts";
import { leaseTimers } from "#lib/io/lease-timers.ts";
import { watchHistory } from "#lib/io/watch-history.ts";
import type { Catalog, Transaction, TxnResult } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";

const LEASES_MAX = 10_000;

/** The port, for one who serves it to callers that may have to ask twice. */
export interface CatalogOverStore extends Omit<Catalog, "txn"> {
  /** With the id of an earlier transaction it tells that one's outcome again, as long as that is remembered. */
  readonly txn: (
    transaction: Transaction,
    signal?: AbortSignal,
    operationId?: string,
  ) => Promise<TxnResult>;
}

/** A catalog on a store: limits, lease times and watchers are the same whatever keeps the history. Owns the store. */
export function catalogOverStore(
  store: CatalogStore,
  clock: Clock,
  newLeaseId: () => string,
): CatalogOverStore {
  const watchers = watchHistory(store, clock);
  store.onRevision(watchers.tell);
  const timers = leaseTimers(clock, async (leaseId) => {
    await store.write({ kind: "end-lease", leaseId });
  });
  for (const lease of store.openLeases) timers.start(lease);

  let isClosed = false;

  const refuseUnusable = (signal: AbortSignal | undefined) => {
    if (isClosed) throw new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", "The catalog is closed.");
    if (signal?.aborted === true)
      throw new MeridianError(
        "MERIDIAN_CATALOG_UNAVAILABLE",
        "The call was given up before it was sent; nothing was changed.",
        { cause: signal.reason },
      );
  };
  const write = async (write: CatalogWrite, signal: AbortSignal | undefined) => {
    refuseUnusable(signal);
    return accepted(await store.write(write, signal));
  };

  return {
    txn: async (transaction, signal, operationId) => {
      checkTransaction(transaction);
      const once = operationId === undefined ? {} : { operationId };
      const outcome = await write({ kind: "txn", transaction, ...once }, signal);
      const { revision } = outcome;
      return outcome.kind === "applied" ? { kind: "committed", revision } : outcome;
    },
    range: async (query, signal) => {
      checkRange(query);
      refuseUnusable(signal);
      const page = await store.page(query, signal);
      return page.kind === "not-yet" ? refuseFuture(page.revision) : page;
    },
    watch: async function* (query, signal) {
      checkWatch(query);
      yield* watchers.watch(query, signal);
    },
    grantLease: async (ttlMs, signal) => {
      checkLeaseTtl(ttlMs);
      if (timers.count() >= LEASES_MAX)
        throw new MeridianError(
          "MERIDIAN_CATALOG_UNAVAILABLE",
          `The catalog already keeps ${LEASES_MAX} leases; revoke or let expire some.`,
        );
      const lease = { leaseId: newLeaseId(), ttlMs };
      try {
        await write({ kind: "grant-lease", lease }, signal);
      } catch (error) {
        // It may exist all the same; then it has to end.
        if (error instanceof MeridianError && error.code === "MERIDIAN_WRITE_AMBIGUOUS")
          timers.start(lease);
        throw error;
      }
      timers.start(lease);
      return lease.leaseId;
    },
    renewLease: async (leaseId, signal) => {
      checkLeaseId(leaseId);
      refuseUnusable(signal);
      return timers.renew(leaseId);
    },
    revokeLease: async (leaseId, signal) => {
      checkLeaseId(leaseId);
      await write({ kind: "end-lease", leaseId }, signal);
      timers.drop(leaseId);
    },
    compact: async (revision, signal) => {
      checkRevision(revision);
      await write({ kind: "compact", revision }, signal);
      watchers.forget(revision);
    },
    close: async () => {
      isClosed = true;
      timers.close();
      watchers.close();
      await store.close();
    },
  };
}

function accepted(
  outcome: WriteOutcome,
): Exclude<WriteOutcome, { kind: "unknown-lease" | "not-yet" }> {
  switch (outcome.kind) {
    case "unknown-lease":
      throw new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `There is no lease ${outcome.leaseId}, or it has expired; nothing was changed. Grant a new one.`,
      );
    case "not-yet":
      return refuseFuture(outcome.revision);
    case "applied":
    case "conflict":
      return outcome;
  }
}

function refuseFuture(newestRevision: number): never {
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    `The catalog refuses this: the newest revision is ${newestRevision}, and the asked one is still to come.`,
  );
}
