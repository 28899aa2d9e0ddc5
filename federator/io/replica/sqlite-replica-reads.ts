import type { DatabaseSync } from "node:sqlite";
import type { KeyRange } from "./replica-tables.ts";
import { AFTER_EVERY_KEY, type ReplicaReads } from "./replica-store.ts";
import { openForReading, optional, toRecord, toStranded } from "./sqlite-replica-file.ts";

export interface SqliteReplicaReads extends ReplicaReads {
  /** From here on reads show what is committed now. */
  readonly renew: () => void;
  readonly close: () => void;
}

/**
 * Both sides come from their index in order, so that SQLite merges them and stops at the limit. Of two lower bounds it would take one
 * for the index, maybe the one that begins with the first record of all.
 */
const SERVED_PAGE = `
  SELECT key, value, createRevision, modRevision, leaseId FROM records
  WHERE key >= ?1 AND key < ?2
    AND NOT EXISTS (SELECT 1 FROM stranded WHERE stranded.key = records.key AND isSuperseded = 0)
  UNION ALL
  SELECT key, value, createRevision, modRevision, NULL FROM stranded
  WHERE key >= ?1 AND key < ?2 AND isSuperseded = 0
  ORDER BY key LIMIT ?3
`;
const SERVED_COUNT = `
  SELECT (SELECT count(*) FROM records WHERE key >= ?1 AND key < ?2) + (
    SELECT count(*) FROM stranded WHERE key >= ?1 AND key < ?2 AND isSuperseded = 0
      AND NOT EXISTS (SELECT 1 FROM records WHERE records.key = stranded.key)
  ) AS count
`;

/**
 * The file as one moment left it, for the thread that serves. It stays inside a read transaction until `renew`, so that the writer
 * can be ahead without being seen.
 */
export function openSqliteReplicaReads(file: string): SqliteReplicaReads {
  const database = openForReading(file);
  const pin = database.prepare("SELECT revision FROM cursor");
  const begin = (): void => {
    database.exec("BEGIN");
    // A read transaction begins with its first read.
    pin.get();
  };
  begin();
  return {
    ...statements(database),
    renew: () => {
      database.exec("COMMIT");
      begin();
    },
    close: () => database.close(),
  };
}

function statements(database: DatabaseSync): ReplicaReads {
  const copy = database.prepare("SELECT * FROM records WHERE key = ?");
  const stranded = database.prepare(
    `SELECT key, value, createRevision, modRevision, NULL AS leaseId FROM stranded
     WHERE key = ? AND isSuperseded = 0`,
  );
  const page = database.prepare(SERVED_PAGE);
  const count = database.prepare(SERVED_COUNT);
  const copyPage = database.prepare(
    "SELECT * FROM records WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
  );
  const strandedPage = database.prepare(
    "SELECT * FROM stranded WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
  );
  const copyOf = (key: string) => optional(copy, key, toRecord);
  return {
    get: (key) => optional(stranded, key, toRecord) ?? copyOf(key),
    page: (prefix, afterKey, limit) =>
      page.all(firstKey(prefix, afterKey), `${prefix}${AFTER_EVERY_KEY}`, limit).map(toRecord),
    count: (prefix) => Number(count.get(prefix, `${prefix}${AFTER_EVERY_KEY}`)?.["count"]),
    copyOf,
    copyPage: ({ afterKey, toKey = AFTER_EVERY_KEY, limit }: KeyRange) =>
      copyPage.all(afterKey, toKey, limit).map(toRecord),
    strandedPage: (prefix, afterKey, limit) =>
      strandedPage
        .all(firstKey(prefix, afterKey), `${prefix}${AFTER_EVERY_KEY}`, limit)
        .map(toStranded),
  };
}

/** Comes before every character that a key may have, so that a key with it at its end is the first that may follow that key. */
const BEFORE_EVERY_CHARACTER = "\x01";
const firstKey = (prefix: string, afterKey: string): string =>
  afterKey < prefix ? prefix : `${afterKey}${BEFORE_EVERY_CHARACTER}`;
