import { MeridianError } from "#lib/errors.ts";
import type { Catalog } from "#lib/ports/catalog.ts";

export interface CuttableCatalog extends Catalog {
  /** From now on nothing reaches the catalog, and watches break. */
  readonly cut: () => void;
  readonly mend: () => void;
}

/** The catalog as seen over a link that can be cut. */
export function cuttableCatalog(catalog: Catalog): CuttableCatalog {
  let link = new AbortController();
  const over = async <T>(call: () => Promise<T>): Promise<T> => {
    if (link.signal.aborted) throw unavailable();
    return call();
  };
  return {
    txn: (transaction, signal) => over(() => catalog.txn(transaction, signal)),
    range: (query, signal) => over(() => catalog.range(query, signal)),
    watch: async function* (query, signal) {
      if (link.signal.aborted) throw unavailable();
      const { signal: linkSignal } = link;
      yield* catalog.watch(query, AbortSignal.any([signal, linkSignal]));
      if (linkSignal.aborted) throw unavailable();
    },
    grantLease: (ttlMs, signal) => over(() => catalog.grantLease(ttlMs, signal)),
    renewLease: (leaseId, signal) => over(() => catalog.renewLease(leaseId, signal)),
    revokeLease: (leaseId, signal) => over(() => catalog.revokeLease(leaseId, signal)),
    compact: (revision, signal) => over(() => catalog.compact(revision, signal)),
    close: async () => undefined,
    cut: () => link.abort(unavailable()),
    mend: () => {
      link = new AbortController();
    },
  };
}

const unavailable = (): MeridianError =>
  new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", "The link to the catalog is cut.");
