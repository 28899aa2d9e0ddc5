import type { Catalog } from "#lib/ports/catalog.ts";

/** Holds the catalog's next transactions until so many have come, all planned from the same state; then it is as before. */
export function holdTransactions(catalog: Catalog, count: number): void {
  const { txn } = catalog;
  const all = Promise.withResolvers<void>();
  let held = 0;
  const holding: Catalog["txn"] = async (transaction, signal) => {
    held += 1;
    if (held === count) {
      Object.assign(catalog, { txn });
      all.resolve();
    }
    await all.promise;
    return txn(transaction, signal);
  };
  Object.assign(catalog, { txn: holding });
}
