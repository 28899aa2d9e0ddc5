import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isDamage } from "#lib/io/sqlite-fault.ts";

/** A process that is just ending may still hold the file; shorter than whoever asks for it waits. */
const LOCK_WAIT_MS = 4_000;
const PAGE_BYTES = 4_096;

/** An SQLite file of this process alone, of which a killed one leaves each commit whole. */
export interface DurableFile {
  readonly file: string;
  /** The name that a damaged one is put aside under. */
  readonly damagedFile: string;
  readonly bytesMax: number;
  /** What its write-ahead log is cut to. */
  readonly logBytesMax: number;
  /** Makes the tables, in a file that has none. */
  readonly schema: string;
  readonly formatVersion: number;
}

/**
 * What `use` makes of the file, which is begun if it is missing. Where it is damaged, as far as `use` looks, it is put aside, which
 * `onDamaged` hears, and another begun.
 */
export function openDurableFile<Used>(
  options: DurableFile,
  use: (database: DatabaseSync) => Used,
  onDamaged: (cause: unknown) => void,
): Used {
  const { file, damagedFile } = options;
  try {
    return openAndUse(options, use);
  } catch (cause) {
    if (!isDamage(cause)) throw cause;
    onDamaged(cause);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    renameSync(file, damagedFile);
    return openAndUse(options, use);
  }
}

function openAndUse<Used>(options: DurableFile, use: (database: DatabaseSync) => Used): Used {
  const { file, bytesMax, logBytesMax, schema, formatVersion } = options;
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file, { timeout: LOCK_WAIT_MS });
  try {
    // The write-ahead log is only ever appended to, with a checksum on each page: what a crash tore off its end was never in it.
    database.exec(`
      pragma locking_mode = exclusive;
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma journal_size_limit = ${logBytesMax};
      pragma max_page_count = ${Math.floor(bytesMax / PAGE_BYTES)};
    `);
    const found = Number(Object.values(database.prepare("pragma user_version").get() ?? {})[0]);
    if (found === 0)
      database.exec(`begin; ${schema} pragma user_version = ${formatVersion}; commit;`);
    else if (found !== formatVersion) throw new Error(`it has format ${found}`);
    return use(database);
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
