import type { Logger } from "pino";
import type { TableFile } from "#lib/io/table-file.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { RouteTableState } from "#lib/route-table-state.ts";

const SAVE_INTERVAL_MIN_MS = 1_000;
/** A large table takes long to write: its disk is busy with it for one part in so many at most. */
const SAVE_SHARE = 20;
/** A process that stood still while it wrote is no reason to leave the disk behind for longer than this. */
const SAVE_INTERVAL_MAX_MS = 30_000;

/** Writes the newest table to disk, at most once a second and at least every half minute, and once more at the end. */
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
    const startedAtMs = clock.nowMs();
    try {
      await file.save(table, state.texts());
    } catch (error) {
      log.error({ err: error }, "the route table is not on disk");
    }
    const shareMs = (clock.nowMs() - startedAtMs) * SAVE_SHARE;
    const pauseMs = Math.min(SAVE_INTERVAL_MAX_MS, Math.max(SAVE_INTERVAL_MIN_MS, shareMs));
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  });
  return { changed: () => saving.offer(), settled: saving.settled };
}
