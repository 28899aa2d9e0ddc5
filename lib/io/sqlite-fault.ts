/** Primary result codes, https://www.sqlite.org/rescode.html: `SQLITE_CORRUPT` and `SQLITE_NOTADB`. */
const DAMAGES: ReadonlySet<number> = new Set([11, 26]);
const SQLITE_FULL = 13;

/** The primary result code of SQLite's failure, 0 where it is none of SQLite's: what is above the lowest byte says where it was found. */
export const sqliteCode = (error: unknown): number =>
  error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;

/** What the file holds is nonsense. */
export const isDamage = (error: unknown): boolean => DAMAGES.has(sqliteCode(error));

/** No room on the disk, or the file is at its limit. */
export const isFull = (error: unknown): boolean => sqliteCode(error) === SQLITE_FULL;
