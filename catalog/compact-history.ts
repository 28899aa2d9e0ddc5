import type { Logger } from "pino";
import {
  chooseCompaction,
  type HistoryLimits,
  type RevisionSample,
} from "./core/choose-compaction.ts";
import type { SqliteCatalog } from "#lib/io/sqlite-catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";

const INTERVAL_MS = 30_000;

export interface CompactionPorts {
  readonly catalog: SqliteCatalog;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bounds the history, now and each 30 s, until the signal aborts. A failure is logged; the next round tries again. */
export async function compactHistory(
  { catalog, clock, log }: CompactionPorts,
  limits: HistoryLimits,
  signal: AbortSignal,
): Promise<void> {
  let samples: readonly RevisionSample[] = [];
  while (!signal.aborted) {
    try {
      const { revision, compactRevision } = await catalog.status();
      const choice = chooseCompaction(samples, { atMs: clock.nowMs(), revision }, limits);
      samples = choice.samples;
      if (choice.compactTo !== null && choice.compactTo > compactRevision) {
        await catalog.compact(choice.compactTo, signal);
        log.debug({ revision, compactRevision: choice.compactTo }, "history compacted");
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, "history could not be compacted");
    }
    await clock.sleep(INTERVAL_MS, signal).catch(() => undefined);
  }
}
