import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import {
  changedKey,
  type History,
  type HistoryPosition,
  OUTCOMES_REMEMBERED_MAX,
  type Revision,
  type ScanQuery,
} from "#lib/catalog/history.ts";
import { type RecentOutcomes, recentOutcomes } from "#lib/catalog/recent-outcomes.ts";
import { databaseBytes, openDatabase, writeFailure } from "#lib/io/sqlite-database.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** Follows every character that a key may have, and so ends the range of a prefix. */
const AFTER_EVERY_KEY = "\x7f";

export interface SqliteHistory extends History {
  /** Makes all of the work durable in one step, or none of it. */
  readonly inTransaction: <T>(work: () => T) => T;
  readonly databaseBytes: () => number;
  readonly close: () => void;
}

/** The history in one SQLite file, which this process alone may have open. A new file is a new incarnation. */
export function openSqliteHistory(databaseFile: string, databaseBytesMax: number): SqliteHistory {
  const database = openDatabase(databaseFile, databaseBytesMax);
  let position = readPosition(database);
  const write = versionWriter(database);
  const forget = versionForgetter(database);
  const outcomes = operationTable(database);

  return {
    recall: outcomes.recall,
    remember: outcomes.remember,
    ...recordReader(database),
    ...leaseTable(database),
    position: () => position,
    append: (revision) => {
      write(revision);
      position = { ...position, revision: revision.revision };
    },
    compact: (compactRevision) => {
      forget(position.compactRevision, compactRevision);
      position = { ...position, compactRevision };
    },
    inTransaction: (work) => {
      let isCommitting = false;
      try {
        outcomes.begin();
        database.exec("begin immediate");
        const result = work();
        isCommitting = true;
        database.exec("commit");
        return result;
      } catch (cause) {
        if (database.isTransaction) database.exec("rollback");
        outcomes.rollBack();
        position = readPosition(database);
        throw writeFailure(cause, isCommitting, databaseFile);
      }
    },
    databaseBytes: () => databaseBytes(database),
    close: () => database.close(),
  };
}

function readPosition(database: DatabaseSync): HistoryPosition {
  const row = database.prepare("select * from position").get() ?? {};
  return {
    incarnation: String(row["incarnation"]),
    revision: Number(row["revision"]),
    compactRevision: Number(row["compact_revision"]),
  };
}

function recordReader(
  database: DatabaseSync,
): Pick<History, "get" | "scan" | "revisionsAfter" | "keysOfLease"> {
  const newest = database.prepare(
    "select * from versions where key = ? order by revision desc limit 1",
  );
  // SQLite takes the other columns from the row that has the maximum.
  const standing = database.prepare(`
    select key, max(revision) as revision, create_revision, value, lease_id from versions
    where key >= ? and key > ? and key < ? and revision <= ?
    group by key having value is not null order by key
  `);
  const after = database.prepare(
    "select * from versions where revision > ? order by revision, key",
  );
  const ofLease = database.prepare(`
    select key from versions as candidate where lease_id = ?
    and revision = (select max(revision) from versions where key = candidate.key) order by key
  `);
  return {
    get: (key) => {
      const row = newest.get(key);
      return row === undefined || row["value"] === null ? undefined : toRecord(row);
    },
    scan: function* ({ prefix, afterKey, atRevision }: ScanQuery) {
      const rows = standing.iterate(prefix, afterKey, `${prefix}${AFTER_EVERY_KEY}`, atRevision);
      for (const row of rows) yield toRecord(row);
    },
    revisionsAfter: (revision) => toRevisions(after.iterate(revision)),
    keysOfLease: (leaseId) => ofLease.all(leaseId).map((row) => String(row["key"])),
  };
}

/** Rows of one revision are neighbours. */
function* toRevisions(rows: Iterable<Row>): Generator<Revision, void, undefined> {
  let revision = 0;
  let changes: Change[] = [];
  for (const row of rows) {
    if (row["revision"] !== revision) {
      if (changes.length > 0) yield { revision, changes };
      revision = Number(row["revision"]);
      changes = [];
    }
    changes.push(
      row["value"] === null
        ? { kind: "delete", key: String(row["key"]) }
        : { kind: "put", record: toRecord(row) },
    );
  }
  if (changes.length > 0) yield { revision, changes };
}

type Row = Record<string, SQLOutputValue>;

function toRecord(row: Row): CatalogRecord {
  return {
    key: String(row["key"]),
    value: String(row["value"]),
    createRevision: Number(row["create_revision"]),
    modRevision: Number(row["revision"]),
    leaseId: row["lease_id"] === null ? null : String(row["lease_id"]),
  };
}

function versionWriter(database: DatabaseSync): (revision: Revision) => void {
  const insert = database.prepare("insert into versions values (?, ?, ?, ?, ?)");
  const advance = database.prepare("update position set revision = ?");
  return ({ revision, changes }) => {
    for (const change of changes) {
      const record = change.kind === "put" ? change.record : null;
      insert.run(
        changedKey(change),
        revision,
        record?.createRevision ?? 0,
        record?.value ?? null,
        record?.leaseId ?? null,
      );
    }
    advance.run(revision);
  };
}

/** Forgets the versions that were replaced, and the deletions, since the last compaction up to and including the revision. */
function versionForgetter(database: DatabaseSync): (from: number, to: number) => void {
  const forget = database.prepare(`
    delete from versions where (key, revision) in (
      select older.key, older.revision
      from (
        select key, max(revision) as newest from versions
        where revision > ? and revision <= ? group by key
      ) as touched
      join versions as older on older.key = touched.key and older.revision <= touched.newest
      where older.revision < touched.newest or older.value is null
    )
  `);
  const advance = database.prepare("update position set compact_revision = ?");
  return (from, to) => {
    forget.run(from, to);
    advance.run(to);
  };
}

function leaseTable(
  database: DatabaseSync,
): Pick<History, "leases" | "hasLease" | "addLease" | "removeLease"> {
  const all = database.prepare("select lease_id, ttl_ms from leases");
  const one = database.prepare("select 1 from leases where lease_id = ?");
  const add = database.prepare("insert into leases values (?, ?)");
  const remove = database.prepare("delete from leases where lease_id = ?");
  return {
    leases: () =>
      all.all().map((row) => ({ leaseId: String(row["lease_id"]), ttlMs: Number(row["ttl_ms"]) })),
    hasLease: (leaseId) => one.get(leaseId) !== undefined,
    addLease: ({ leaseId, ttlMs }) => add.run(leaseId, ttlMs),
    removeLease: (leaseId) => remove.run(leaseId),
  };
}

/**
 * What changed something is remembered on the disk with the change. What changed nothing is remembered by this process alone: an
 * earlier sending of it that is still on its way cannot outlive the process.
 */
function operationTable(database: DatabaseSync): Pick<History, "recall" | "remember"> & {
  readonly begin: () => void;
  readonly rollBack: () => void;
} {
  const find = database.prepare("select revision from operations where operation_id = ?");
  const add = database.prepare("insert into operations values (?, ?)");
  const dropOld = database.prepare("delete from operations where revision <= ?");
  const unchanged: RecentOutcomes = recentOutcomes(OUTCOMES_REMEMBERED_MAX);
  let unchangedNow: string[] = [];
  return {
    recall: (operationId) => {
      const row = find.get(operationId);
      return row === undefined
        ? unchanged.recall(operationId)
        : { kind: "applied", revision: Number(row["revision"]), changes: [] };
    },
    remember: (operationId, outcome) => {
      if (outcome.kind === "applied" && outcome.changes.length > 0) {
        add.run(operationId, outcome.revision);
        dropOld.run(outcome.revision - OUTCOMES_REMEMBERED_MAX);
        return;
      }
      unchanged.remember(operationId, outcome);
      unchangedNow.push(operationId);
    },
    begin: () => {
      unchangedNow = [];
    },
    /** They were decided against changes that are not there. */
    rollBack: () => unchangedNow.forEach(unchanged.forget),
  };
}
