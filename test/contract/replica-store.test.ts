import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import {
  memoryReplicaDisk,
  memoryReplicaStore,
} from "../../federator/io/replica/memory-replica-store.ts";
import { openReplicaStore } from "../../federator/io/replica/sqlite-replica-store.ts";
import { replicaStoreContract } from "./replica-store.contract.ts";

const log = pino({ level: "silent" });

replicaStoreContract("memory", async () => {
  const disk = memoryReplicaDisk();
  return { open: async () => memoryReplicaStore(disk), remove: async () => undefined };
});

replicaStoreContract("SQLite", async () => {
  const directory = await mkdtemp(join(tmpdir(), "meridian-replica-store-"));
  return {
    open: () => openReplicaStore(join(directory, "replica.sqlite"), log, assert.fail),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
});
