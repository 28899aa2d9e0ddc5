import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog, Operation } from "#lib/ports/catalog.ts";
import { federationOperation } from "../../../../federator/io/replica/identify-catalog.ts";
import { type RunningReplica, startReplica } from "../../../../federator/io/replica/replica.ts";
import { openReplicaStore } from "../../../../federator/io/replica/sqlite-replica-store.ts";
import type { AppliedRevision } from "../../../../federator/ports.ts";

export const SILENT = pino({ level: "silent" });
export const FEDERATION_ID = "f".repeat(32);

export const put = (key: string, value = "1"): Operation => ({ kind: "put", key, value });
export const remove = (key: string): Operation => ({ kind: "delete", key });
export const write = async (
  catalog: Catalog,
  ...operations: readonly Operation[]
): Promise<number> => (await catalog.txn({ compares: [], operations })).revision;

/** A catalog in memory that belongs to the federation of these tests, or to another. */
export async function namedCatalog(federationId = FEDERATION_ID): Promise<Catalog> {
  const catalog = createMemoryCatalog({ clock: systemClock });
  await write(catalog, federationOperation(federationId, 1));
  return catalog;
}

export interface TestReplica extends RunningReplica {
  readonly applied: AppliedRevision[];
  /** All keys but the federation's name. */
  readonly shown: () => string[];
}

export interface ReplicaFolder {
  readonly file: (name: string) => string;
  readonly open: (
    name: string,
    catalog: Catalog,
    acceptLargeRemovals?: boolean,
  ) => Promise<TestReplica>;
  readonly remove: () => Promise<void>;
}

export async function replicaFolder(): Promise<ReplicaFolder> {
  const directory = await mkdtemp(join(tmpdir(), "meridian-replica-"));
  const file = (name: string): string => join(directory, name, "replica.sqlite");
  return {
    file,
    open: async (name, catalog, acceptLargeRemovals = false) => {
      const replica = startReplica({
        catalog,
        store: await openReplicaStore(file(name), SILENT, assert.fail),
        clock: systemClock,
        random: { next: () => 0 },
        log: SILENT,
        acceptLargeRemovals,
      });
      const applied: AppliedRevision[] = [];
      replica.onApplied((one) => applied.push(one));
      const shown = () =>
        Array.from(replica.scan(""), ({ key }) => key).filter((key) => key !== "federation");
      return { ...replica, applied, shown };
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A busy machine may take its time; none takes this long. */
const REACHES_WITHIN_MS = 60_000;
export const reaches = (replica: RunningReplica, revision: number): Promise<void> =>
  replica.waitFor(revision, AbortSignal.timeout(REACHES_WITHIN_MS));
