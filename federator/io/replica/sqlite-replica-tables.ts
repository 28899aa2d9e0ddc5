import type { DatabaseSync } from "node:sqlite";
import type { KeyRange, ReplicaTables } from "./replica-tables.ts";
import { AFTER_EVERY_KEY } from "./replica-store.ts";
import { openForWriting, optional, toRecord, toStranded } from "./sqlite-replica-file.ts";

/** The tables of the one writer, in the SQLite file. */
export function sqliteReplicaTables(file: string): ReplicaTables {
  const database = openForWriting(file);
  return {
    begin: () => database.exec("BEGIN IMMEDIATE"),
    commit: () => database.exec("COMMIT"),
    rollback: () => {
      if (database.isTransaction) database.exec("ROLLBACK");
    },
    ...recordTable(database),
    ...strandedTable(database),
    ...smallTables(database),
    checkpoint: () => database.exec("PRAGMA wal_checkpoint(PASSIVE)"),
    close: () => database.close(),
  };
}

function recordTable(
  database: DatabaseSync,
): Pick<ReplicaTables, "get" | "put" | "remove" | "page" | "count"> {
  const get = database.prepare("SELECT * FROM records WHERE key = ?");
  const put = database.prepare(
    `INSERT INTO records VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value,
       createRevision = excluded.createRevision, modRevision = excluded.modRevision, leaseId = excluded.leaseId`,
  );
  const remove = database.prepare("DELETE FROM records WHERE key = ?");
  const page = database.prepare(
    "SELECT * FROM records WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
  );
  const count = database.prepare(
    "SELECT count(*) AS count FROM records WHERE key >= ? AND key < ?",
  );
  return {
    get: (key) => optional(get, key, toRecord),
    put: ({ key, value, createRevision, modRevision, leaseId }) => {
      put.run(key, value, createRevision, modRevision, leaseId);
    },
    remove: (key) => {
      remove.run(key);
    },
    page: ({ afterKey, toKey = AFTER_EVERY_KEY, limit }: KeyRange) =>
      page.all(afterKey, toKey, limit).map(toRecord),
    count: (prefix) => Number(count.get(prefix, `${prefix}${AFTER_EVERY_KEY}`)?.["count"]),
  };
}

function strandedTable(
  database: DatabaseSync,
): Pick<ReplicaTables, "stranded" | "putStranded" | "removeStranded" | "removeAllStranded"> {
  const get = database.prepare("SELECT * FROM stranded WHERE key = ?");
  const put = database.prepare("INSERT OR REPLACE INTO stranded VALUES (?, ?, ?, ?, ?)");
  const remove = database.prepare("DELETE FROM stranded WHERE key = ?");
  return {
    stranded: (key) => optional(get, key, toStranded),
    putStranded: ({ key, value, createRevision, modRevision, isSuperseded }) => {
      put.run(key, value, createRevision, modRevision, isSuperseded ? 1 : 0);
    },
    removeStranded: (key) => {
      remove.run(key);
    },
    removeAllStranded: () => database.exec("DELETE FROM stranded"),
  };
}

function smallTables(
  database: DatabaseSync,
): Pick<ReplicaTables, "cursor" | "setCursor" | "sums" | "setSums" | "note" | "setNote"> {
  const cursor = database.prepare("SELECT incarnation, revision FROM cursor");
  const setCursor = database.prepare("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)");
  const sums = database.prepare("SELECT bytes FROM sums");
  const setSums = database.prepare("INSERT OR REPLACE INTO sums VALUES (1, ?)");
  const note = database.prepare("SELECT text FROM notes WHERE name = ?");
  const setNote = database.prepare("INSERT OR REPLACE INTO notes VALUES (?, ?)");
  return {
    cursor: () => {
      const row = cursor.get();
      return row && { incarnation: String(row["incarnation"]), revision: Number(row["revision"]) };
    },
    setCursor: ({ incarnation, revision }) => {
      setCursor.run(incarnation, revision);
    },
    sums: () => {
      const bytes = sums.get()?.["bytes"];
      return bytes instanceof Uint8Array ? bytes : undefined;
    },
    setSums: (bytes) => {
      setSums.run(bytes);
    },
    note: (name) => optional(note, name, (row) => String(row["text"])),
    setNote: (name, text) => {
      setNote.run(name, text);
    },
  };
}
