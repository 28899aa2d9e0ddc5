import { Gauge, Histogram, type Registry } from "prom-client";
import type { StoreStatus } from "#lib/io/sqlite-worker-calls.ts";
import type { TxnResult } from "#lib/ports/catalog.ts";

export interface CatalogMetrics {
  readonly timeTxn: (txn: () => Promise<TxnResult>) => Promise<TxnResult>;
  readonly watchers: Pick<Gauge, "set">;
}

/** The catalog's own figures; those of the file are read when they are asked for. */
export function catalogMetrics(
  registry: Registry,
  status: () => Promise<StoreStatus>,
): CatalogMetrics {
  const registers = [registry];
  const txns = new Histogram({
    name: "meridian_catalog_txn_seconds",
    help: "Transactions by outcome, from arrival to durable",
    labelNames: ["outcome"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10],
    registers,
  });
  const watchers = new Gauge({
    name: "meridian_catalog_watchers",
    help: "Watches running now",
    registers,
  });
  const fromStatus = (name: string, help: string, pick: (status: StoreStatus) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(pick(await status()));
      },
    });
  fromStatus("meridian_catalog_revision", "Newest revision", ({ revision }) => revision);
  fromStatus(
    "meridian_catalog_compact_revision",
    "History is forgotten up to this revision",
    ({ compactRevision }) => compactRevision,
  );
  fromStatus(
    "meridian_catalog_database_bytes",
    "Size of the catalog's file",
    ({ databaseBytes }) => databaseBytes,
  );

  return {
    watchers,
    timeTxn: async (txn) => {
      const end = txns.startTimer();
      let outcome = "failed";
      try {
        const result = await txn();
        outcome = result.kind;
        return result;
      } finally {
        end({ outcome });
      }
    },
  };
}
