import { randomUUID } from "node:crypto";
import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { USAGE_COUNTS } from "#lib/contracts/usage.ts";
import type { UsageBookOptions } from "./usage-file-calls.ts";

const PAGE_BYTES = 4_096;
/** A process that is just ending may still hold the file. */
const LOCK_WAIT_MS = 4_000;
const SCHEMA_VERSION = 1;
const SQLITE_FULL = 13;
/** `SQLITE_CORRUPT` and `SQLITE_NOTADB`; what is above the lowest byte says where it was found. */
const DAMAGES = [11, 26];

export const COLUMNS = {
  invocations: "invocations",
  errors: "errors",
  initErrors: "init_errors",
  coldStarts: "cold_starts",
  billedMs: "billed_ms",
  egressBytes: "egress_bytes",
  megabyteMs: "megabyte_ms",
} as const satisfies Record<(typeof USAGE_COUNTS)[number], string>;
export const COUNT_COLUMNS = USAGE_COUNTS.map((name) => COLUMNS[name]);
const KEY_COLUMNS = ["start_ms", "span_ms", "tenant", "function_name", "version"];

const SCHEMA = `
  create table book (id integer primary key check (id = 1), book_id text not null) strict;
  create table boots (boot_id text primary key, sequence integer not null) strict;
  create table usage (
    start_ms integer not null,
    span_ms integer not null,
    tenant text not null,
    function_name text not null,
    version integer not null,
    ${COUNT_COLUMNS.map((name) => `${name} integer not null,`).join("\n")}
    primary key (${KEY_COLUMNS.join(", ")})
  ) strict, without rowid;
  pragma user_version = ${SCHEMA_VERSION};
`;
/** Of an insert: what is there already is added to. */
export const ADD_UP = `on conflict do update set ${COUNT_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`;
export const ALL_COLUMNS = [...KEY_COLUMNS, ...COUNT_COLUMNS];

/** The file's book; begun if it is missing. A damaged one is put aside, which `onDamaged` hears. */
export function openUsageDatabase(
  { file, bytesMax, wallMs }: UsageBookOptions,
  onDamaged: (cause: unknown) => void,
): DatabaseSync {
  try {
    return openDatabase(file, bytesMax);
  } catch (cause) {
    if (!isDamage(cause)) throw cause;
    onDamaged(cause);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    renameSync(file, `${file}.${wallMs}.damaged`);
    return openDatabase(file, bytesMax);
  }
}

const isDamage = (cause: unknown): boolean => DAMAGES.includes(errorCode(cause) & 0xff);

/** No room on the disk, or the file is at its limit. */
export const isFull = (cause: unknown): boolean => errorCode(cause) === SQLITE_FULL;

const errorCode = (cause: unknown): number =>
  cause instanceof Error && "errcode" in cause ? Number(cause.errcode) : 0;

function openDatabase(file: string, bytesMax: number): DatabaseSync {
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file, { timeout: LOCK_WAIT_MS });
  try {
    // The write-ahead log is only ever appended to, with a checksum on each page: what a crash tore off its end was never in it.
    database.exec(`
      pragma locking_mode = exclusive;
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma journal_size_limit = 4194304;
      pragma max_page_count = ${Math.floor(bytesMax / PAGE_BYTES)};
    `);
    const version = Number(Object.values(database.prepare("pragma user_version").get() ?? {})[0]);
    if (version === 0) database.exec(`begin; ${SCHEMA} commit;`);
    else if (version !== SCHEMA_VERSION) throw new Error(`it has format ${version}`);
    database.prepare("insert or ignore into book values (1, ?)").run(randomUUID());
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec("begin immediate");
  try {
    const result = work();
    database.exec("commit");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("rollback");
    throw error;
  }
}
