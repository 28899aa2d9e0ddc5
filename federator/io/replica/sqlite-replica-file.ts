import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { isDamage, sqliteCode } from "#lib/io/sqlite-fault.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { StrandedRecord } from "./replica-tables.ts";

/**
 * Synchronous NORMAL: after a power failure the newest revisions may be missing, whole ones and with their cursor, and are simply
 * tailed again. The log is taken into the file on demand only, and cut when it begins anew: see `sqlite-replica-store.ts`.
 */
const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 0;
  PRAGMA journal_size_limit = 4194304;
  PRAGMA cache_size = -32768;
`;

/** `records` with their row ids: rows are long, and counts and key scans need the small index alone. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, createRevision INTEGER NOT NULL, modRevision INTEGER NOT NULL, leaseId TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS stranded (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, createRevision INTEGER NOT NULL, modRevision INTEGER NOT NULL,
    isSuperseded INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1), incarnation TEXT NOT NULL, revision INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sums (one INTEGER PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
`;

export function openForWriting(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    database.exec(SETTINGS + SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

export function openForReading(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  database.exec("PRAGMA cache_size = -32768;");
  return database;
}

/** `damaged`: what the file holds is nonsense. `surroundings`: the machine does not let us, and the file may be as good as ever. */
export type FileFault = "damaged" | "surroundings" | "other";

/** Primary result codes: https://www.sqlite.org/rescode.html. */
const SURROUNDINGS: ReadonlySet<number> = new Set([
  3 /* PERM */, 5 /* BUSY */, 6 /* LOCKED */, 7 /* NOMEM */, 8 /* READONLY */, 10 /* IOERR */,
  13 /* FULL */, 14 /* CANTOPEN */,
]);

export function faultOf(error: unknown): FileFault {
  if (isDamage(error)) return "damaged";
  return SURROUNDINGS.has(sqliteCode(error)) ? "surroundings" : "other";
}

type Row = Record<string, SQLOutputValue>;

export const toRecord = (row: Row): CatalogRecord => ({
  key: String(row["key"]),
  value: String(row["value"]),
  createRevision: Number(row["createRevision"]),
  modRevision: Number(row["modRevision"]),
  leaseId: row["leaseId"] === null ? null : String(row["leaseId"]),
});

export const toStranded = (row: Row): StrandedRecord => ({
  key: String(row["key"]),
  value: String(row["value"]),
  createRevision: Number(row["createRevision"]),
  modRevision: Number(row["modRevision"]),
  isSuperseded: row["isSuperseded"] === 1,
});

export function optional<T>(
  statement: StatementSync,
  key: string,
  to: (row: Row) => T,
): T | undefined {
  const row = statement.get(key);
  return row === undefined ? undefined : to(row);
}
