import { randomUUID } from "node:crypto";
import type { CatalogWrite, Revision, WriteOutcome } from "#lib/catalog/history.ts";
import { transactionBytes } from "#lib/catalog/limits.ts";
import { MeridianError } from "#lib/errors.ts";
import { type CatalogOverStore, catalogOverStore } from "#lib/io/catalog-over-store.ts";
import { groupCommit } from "#lib/io/group-commit.ts";
import type { StoreStatus } from "#lib/io/sqlite-worker-calls.ts";
import { startSqliteWorker } from "#lib/io/sqlite-worker-client.ts";
import { withinDeadline } from "#lib/io/within-deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";

const CALL_TIMEOUT_MS = 10_000;
const GROUP_LIMITS = {
  timeoutMs: CALL_TIMEOUT_MS,
  groupMax: 256,
  queuedMax: 1_000,
  queuedBytesMax: 64 * 1024 * 1024,
};

export interface SqliteCatalogOptions {
  readonly databaseFile: string;
  /** The file grows to this and no further; then writes are refused until records are deleted or history compacted. */
  readonly databaseBytesMax: number;
  readonly clock: Clock;
  /** The thread that owns the file ended by itself: a broken assumption. */
  readonly onLost: (cause: Error) => void;
}

export interface SqliteCatalog extends CatalogOverStore {
  readonly status: () => Promise<StoreStatus>;
}

/** The durable catalog of one machine: a write is answered once it is on the disk. Leases count anew from the opening. */
export async function openSqliteCatalog(options: SqliteCatalogOptions): Promise<SqliteCatalog> {
  const { databaseFile, databaseBytesMax, clock, onLost } = options;
  const worker = startSqliteWorker(onLost);
  const { position, leases } = await worker
    .call("open", { databaseFile, databaseBytesMax })
    .catch(async (error: unknown) => {
      await worker.close();
      throw error;
    });

  let tell: ((revision: Revision) => void) | undefined;
  const writes = groupCommit<CatalogWrite, WriteOutcome>(
    async (group) => {
      const outcomes = await worker.call("commit", group);
      for (const outcome of outcomes)
        if (outcome.kind === "applied" && outcome.changes.length > 0) tell?.(outcome);
      return outcomes;
    },
    clock,
    GROUP_LIMITS,
  );
  const read = <T>(answer: Promise<T>, signal?: AbortSignal): Promise<T> =>
    withinDeadline(
      answer,
      { clock, timeoutMs: CALL_TIMEOUT_MS, signal },
      (reason) =>
        new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", `The catalog did not answer: ${reason}.`),
    );

  const catalog = catalogOverStore(
    {
      openedAt: position,
      openLeases: leases,
      write: async (write, signal) =>
        await writes.write(
          write,
          write.kind === "txn" ? transactionBytes(write.transaction) : 0,
          signal,
        ),
      page: (query, signal) => read(worker.call("page", query), signal),
      revisionsAfter: (revision, signal) => read(worker.call("revisionsAfter", revision), signal),
      onRevision: (listener) => {
        tell = listener;
      },
      close: worker.close,
    },
    clock,
    randomUUID,
  );
  return { ...catalog, status: () => read(worker.call("status", null)) };
}
