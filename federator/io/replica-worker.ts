import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import type { ReplicaAnswer, ReplicaRequest } from "./replica-store.ts";

/*
 * The zone's copy on disk, in a thread of its own so that no fsync stops the federator. Synchronous NORMAL: after a power
 * failure the newest revisions may be missing, whole ones and with their cursor, and are simply tailed again.
 */
const { file } = workerData as { readonly file: string };

const database = new DatabaseSync(file);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, createRevision INTEGER NOT NULL, modRevision INTEGER NOT NULL, leaseId TEXT
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1), incarnation TEXT NOT NULL, revision INTEGER NOT NULL
  ) STRICT;
`);
const selectCursor = database.prepare("SELECT incarnation, revision FROM cursor");
const selectRecords = database.prepare(
  "SELECT key, value, createRevision, modRevision, leaseId FROM records ORDER BY key",
);
const putRecord = database.prepare(
  `INSERT INTO records VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value,
     createRevision = excluded.createRevision, modRevision = excluded.modRevision, leaseId = excluded.leaseId`,
);
const deleteRecord = database.prepare("DELETE FROM records WHERE key = ?");
const putCursor = database.prepare(
  `INSERT INTO cursor VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET incarnation = excluded.incarnation,
     revision = excluded.revision`,
);

const port = parentPort;
if (port === null) throw new Error("this is the replica's thread, not a program");
port.on("message", (request: ReplicaRequest) => port.postMessage(reply(request)));

function reply(request: ReplicaRequest): ReplicaAnswer {
  try {
    return { id: request.id, kind: "done", result: answer(request) };
  } catch (error) {
    return { id: request.id, kind: "failed", reason: String(error) };
  }
}

function answer(request: ReplicaRequest): unknown {
  switch (request.kind) {
    case "load":
      return { position: selectCursor.get(), records: selectRecords.all() };
    case "apply":
      return apply(request.position, request.changes);
    case "close":
      return database.close();
  }
}

/** The changes and the cursor in one transaction: at every crash point the copy is exactly at its cursor. */
function apply(position: Position, changes: readonly Change[]): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const change of changes) {
      if (change.kind === "put") put(change.record);
      else deleteRecord.run(change.key);
    }
    putCursor.run(position.incarnation, position.revision);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function put({ key, value, createRevision, modRevision, leaseId }: CatalogRecord): void {
  putRecord.run(key, value, createRevision, modRevision, leaseId);
}
