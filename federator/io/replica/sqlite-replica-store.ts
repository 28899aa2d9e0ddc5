import { existsSync, statSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "pino";
import type { ReplicaReads, ReplicaStore } from "./replica-store.ts";
import { faultOf } from "./sqlite-replica-file.ts";
import { openSqliteReplicaReads } from "./sqlite-replica-reads.ts";
import { ReplicaFileError, startReplicaWriter } from "./sqlite-replica-writer.ts";

/** A log longer than this is taken into the file; it is looked at once in so many steps. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const STEPS_PER_LOOK = 50;

/** The file turned out to be damaged while it was used: a broken assumption. The next opening copies the catalog anew. */
type OnDamaged = (cause: Error) => void;

/** Opens the copy, or starts an empty one beside a file that cannot be read: it is only a copy. */
export async function openReplicaStore(
  file: string,
  log: Logger,
  onDamaged: OnDamaged,
): Promise<ReplicaStore> {
  await mkdir(dirname(file), { recursive: true });
  const putAside = async (cause: unknown): Promise<void> => {
    log.error({ err: cause, file }, "the replica cannot be read; it is put aside and copied anew");
    for (const suffix of ["", "-wal", "-shm"])
      await rename(`${file}${suffix}`, `${file}${suffix}.unreadable`).catch(() => undefined);
    await rm(damageMark(file), { force: true });
  };
  if (existsSync(damageMark(file))) await putAside("it was found damaged in use");
  try {
    return await openSqliteReplicaStore(file, onDamaged);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    await putAside(error);
    return await openSqliteReplicaStore(file, onDamaged);
  }
}

const faultIn = (error: unknown) =>
  error instanceof ReplicaFileError ? error.fault : faultOf(error);

/** The file itself is what is wrong: not the machine, and not the thread. */
const isUnreadable = (error: unknown): boolean =>
  error instanceof ReplicaFileError ? error.fault !== "surroundings" : faultOf(error) === "damaged";

/** Tells the next opening what this one found out. */
const damageMark = (file: string): string => `${file}.damaged`;

/** A writer in its own thread, and a reader in this one that never sees what was not answered yet. */
async function openSqliteReplicaStore(file: string, onDamaged: OnDamaged): Promise<ReplicaStore> {
  let isDamaged = false;
  const noteDamage = (error: unknown): void => {
    if (isDamaged || !(error instanceof Error) || faultIn(error) !== "damaged") return;
    isDamaged = true;
    try {
      writeFileSync(damageMark(file), `${String(error)}\n`);
    } finally {
      onDamaged(error);
    }
  };
  const writer = startReplicaWriter(file);
  try {
    const found = await writer.ask("state", []);
    const reads = openSqliteReplicaReads(file);
    let state = found.state;
    // One step at a time: the reader must not be renewed while the next one is being committed.
    let steps = 0;
    let last: Promise<unknown> = Promise.resolve();
    const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
      const result = last.then(step);
      last = result.catch(noteDamage);
      return result;
    };
    /*
     * The log can begin anew only when all of it is in the file and no reader looks at it: the reader is at its end when the
     * checkpoint begins, and looks at the file alone once it is renewed.
     */
    const shortenLog = async (): Promise<void> => {
      await writer.ask("checkpoint", []);
      reads.renew();
    };
    return {
      state: () => state,
      reads: noteFailures(reads, noteDamage),
      run: (call, ...args) =>
        inTurn(async () => {
          const answer = await writer.ask(call, args);
          state = answer.state;
          reads.renew();
          steps += 1;
          const isLook = call === "commitSnapshot" || steps % STEPS_PER_LOOK === 0;
          if (isLook && call !== "addPage" && logBytes(file) > LOG_BYTES_MAX) await shortenLog();
          return answer.result;
        }),
      close: () =>
        inTurn(async () => {
          reads.close();
          await writer.close();
        }),
    };
  } catch (error) {
    await writer.close();
    throw error;
  }
}

function noteFailures(reads: ReplicaReads, note: (error: unknown) => void): ReplicaReads {
  const noting =
    <Arguments extends readonly unknown[], T>(read: (...given: Arguments) => T) =>
    (...given: Arguments): T => {
      try {
        return read(...given);
      } catch (error) {
        note(error);
        throw error;
      }
    };
  return {
    get: noting(reads.get),
    page: noting(reads.page),
    count: noting(reads.count),
    copyOf: noting(reads.copyOf),
    copyPage: noting(reads.copyPage),
    strandedPage: noting(reads.strandedPage),
  };
}

const logBytes = (file: string): number =>
  statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
