import type { Logger } from "pino";
import type { TableFile } from "#lib/io/table-file.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { RouteTableState } from "#lib/route-table-state.ts";

const SAVE_INTERVAL_MIN_MS = 200;
/**
 * A large table keeps its disk busy at this pace at most. By its size and not by how long a save took: that would leave a small table
 * unsaved for long on a machine that was busy for a moment.
 */
const SAVED_CHARACTERS_PER_MS = 4_000;
const SAVE_INTERVAL_MAX_MS = 30_000;

/** Writes the newest table to disk, a small one within a fifth of a second, any within half a minute, and once more at the end. */
export function keepOnDisk(
  file: TableFile,
  state: RouteTableState,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): { readonly changed: () => void; readonly settled: () => Promise<void> } {
  const saving = oneAtATime<void>(async () => {
    const table = state.table();
    if (table === undefined) return;
    const entries = state.texts();
    try {
      await file.save(table, entries);
    } catch (error) {
      log.error({ err: error }, "the route table is not on disk");
    }
    const characters = entries.reduce((sum, { key, text }) => sum + key.length + text.length, 0);
    const paceMs = characters / SAVED_CHARACTERS_PER_MS;
    const pauseMs = Math.min(SAVE_INTERVAL_MAX_MS, Math.max(SAVE_INTERVAL_MIN_MS, paceMs));
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  });
  return { changed: () => saving.offer(), settled: saving.settled };
}
