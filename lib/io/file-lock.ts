import { DatabaseSync } from "node:sqlite";

export interface FileLock {
  readonly release: () => void;
}

/**
 * The file for this process alone, or undefined when another one has it. The lock is SQLite's, and so the kernel's: it goes with
 * its holder, however that one dies.
 */
export function takeFileLock(file: string): FileLock | undefined {
  const database = new DatabaseSync(file);
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

const SQLITE_BUSY = 5;
const isBusy = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
