import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MeridianError } from "#lib/errors.ts";
import { isDamage, isFull, sqliteCode } from "#lib/io/sqlite-fault.ts";

/** A process that is just ending may still hold the file. */
const LOCK_WAIT_MS = 5_000;
const PAGE_BYTES = 4_096;
const SCHEMA_VERSION = 1;

/** A deletion is a version without a value. */
const SCHEMA = `
  create table position (
    id integer primary key check (id = 1),
    incarnation text not null,
    revision integer not null,
    compact_revision integer not null
  ) strict;
  create table versions (
    key text not null,
    revision integer not null,
    create_revision integer not null,
    value text,
    lease_id text,
    primary key (key, revision)
  ) strict, without rowid;
  create index versions_by_revision on versions (revision);
  create index versions_by_lease on versions (lease_id) where lease_id is not null;
  create table leases (lease_id text primary key, ttl_ms integer not null) strict, without rowid;
  pragma user_version = ${SCHEMA_VERSION};
`;

/** By which transaction a revision was made, for callers whose answer was lost. A program that does not know of it does no harm. */
const OPERATIONS = `
  create table if not exists operations (
    operation_id text primary key,
    revision integer not null
  ) strict, without rowid;
  create index if not exists operations_by_revision on operations (revision);
`;

/** The catalog's file, made if it is missing, locked for this process and ready to write durably. A damaged one is refused. */
export function openDatabase(databaseFile: string, databaseBytesMax: number): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    if (!existsSync(databaseFile)) createDatabase(databaseFile);
    if (statSync(databaseFile).size === 0) throw new Error("it is damaged: nothing of it is left");
    database = new DatabaseSync(databaseFile, { timeout: LOCK_WAIT_MS });
    database.exec(`
      pragma locking_mode = exclusive;
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma journal_size_limit = 67108864;
      pragma max_page_count = ${Math.floor(databaseBytesMax / PAGE_BYTES)};
      begin immediate;
    `);
    const version = pragma(database, "user_version");
    if (version !== SCHEMA_VERSION)
      throw new Error(`it has format ${version}, and this program knows ${SCHEMA_VERSION}`);
    refuseDamaged(database, databaseFile);
    database.exec(OPERATIONS);
    database.exec("commit");
    return database;
  } catch (cause) {
    database?.close();
    throw new MeridianError(
      "MERIDIAN_CATALOG_UNAVAILABLE",
      `The catalog file ${databaseFile} cannot be opened: ${String(cause)}`,
      { cause },
    );
  }
}

/** Under its name there is a whole catalog or nothing, so that an empty file is known to have lost what it held. */
function createDatabase(databaseFile: string): void {
  const folder = dirname(databaseFile);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unfinished = `${databaseFile}.new`;
  rmSync(unfinished, { force: true });
  closeSync(openSync(unfinished, "a", 0o600));
  const database = new DatabaseSync(unfinished);
  try {
    database.exec(`pragma page_size = ${PAGE_BYTES}; ${SCHEMA}`);
    database.prepare("insert into position values (1, ?, 0, 0)").run(randomUUID());
  } finally {
    database.close();
  }
  renameSync(unfinished, databaseFile);
  const entries = openSync(folder, "r");
  fsyncSync(entries);
  closeSync(entries);
}

/**
 * After a clean end all of the catalog is in the file, which is then as long as it says. What a process that was killed left in
 * the write-ahead log may still be missing there, so that only reading everything tells.
 */
function refuseDamaged(database: DatabaseSync, databaseFile: string): void {
  const wasKilled = (statSync(`${databaseFile}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (wasKilled) {
    const found = database.prepare("pragma quick_check(1)").get();
    const [said] = Object.values(found ?? {});
    if (said !== "ok") throw new Error(`it is damaged: ${String(said)}`);
    return;
  }
  const { size } = statSync(databaseFile);
  const bytes = databaseBytes(database);
  if (size < bytes) throw new Error(`it is damaged: of its ${bytes} bytes ${size} are left`);
}

/** The size of the file without its write-ahead log. */
export const databaseBytes = (database: DatabaseSync): number =>
  pragma(database, "page_count") * PAGE_BYTES;

function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]);
}

/** What a failed transaction means to its writers. Only a commit that failed for another reason than a full disk may have happened all the same. */
export function writeFailure(cause: unknown, isCommitting: boolean, databaseFile: string): unknown {
  if (sqliteCode(cause) === 0) return cause;
  if (isFull(cause))
    return new MeridianError(
      "MERIDIAN_CATALOG_UNAVAILABLE",
      "The catalog's disk or file is full; nothing was changed. Free space, or raise databaseBytesMax, and try again.",
      { cause },
    );
  const damage = isCommitting ? undefined : damageFailure(cause, databaseFile);
  if (damage !== undefined) return damage;
  return new MeridianError(
    isCommitting ? "MERIDIAN_WRITE_AMBIGUOUS" : "MERIDIAN_CATALOG_UNAVAILABLE",
    `The catalog file ${databaseFile} could not be written: ${messageOf(cause)}`,
    { cause },
  );
}

/** What somebody is told who meets garbage in the file; undefined where the failure is another one. */
export function damageFailure(cause: unknown, databaseFile: string): MeridianError | undefined {
  if (!isDamage(cause)) return undefined;
  return new MeridianError(
    "MERIDIAN_CATALOG_UNAVAILABLE",
    `The catalog file ${databaseFile} is damaged (${messageOf(cause)}): put a backup in its place, or begin anew from the copy of a zone; docs/operations.md has the steps of both.`,
    { cause },
  );
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : "");
