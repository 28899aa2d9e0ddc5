import type { Logger } from "pino";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { pairByKey } from "../../core/replica/diff-snapshot.ts";
import { changesSince, type Repairer, type Truth } from "./repair-records.ts";
import type { ReplicaState } from "./replica-state.ts";
import { type Loop, runLoop } from "../run-loop.ts";

const PAGE_RECORDS = 2_000;

export interface ScrubOptions {
  readonly catalog: Catalog;
  readonly state: ReplicaState;
  readonly repairer: Repairer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
}

/** Reads the catalog again and again, one page a turn, and compares it with the copy. */
export function scrubCatalog(options: ScrubOptions, signal: AbortSignal): Loop {
  const { clock, log, intervalMs } = options;
  let afterKey = "";
  return runLoop({ name: "scrub", intervalMs, clock, log, signal }, async () => {
    afterKey = await scrubPage(options, afterKey, signal);
  });
}

/** Where the next page begins; empty for the start. */
async function scrubPage(
  { catalog, state, repairer }: ScrubOptions,
  afterKey: string,
  signal: AbortSignal,
): Promise<string> {
  const cursor = state.cursor();
  if (cursor === undefined) return "";
  using since = changesSince(state);
  const atRevision = cursor.revision;
  const page = await catalog.range(
    { prefix: "", afterKey, limit: PAGE_RECORDS, atRevision },
    signal,
  );
  // Another position, then, the next time.
  if (page.kind === "compacted" || page.incarnation !== cursor.incarnation) return afterKey;

  const lastKey = page.records.at(-1)?.key;
  const toKey = page.more ? lastKey : undefined;
  const held = heldBetween(state, afterKey, toKey);
  const truths: Truth[] = [];
  for (const { key, found } of pairByKey(held, page.records)) truths.push({ key, record: found });
  await repairer.putRight(truths, since, "scrub");
  return toKey ?? "";
}

/** As many more than the catalog has as one turn can put right; the next round finds the rest. */
const HELD_MAX = 2 * PAGE_RECORDS;

const heldBetween = (state: ReplicaState, afterKey: string, toKey: string | undefined) =>
  state.reads.copyPage({ afterKey, toKey, limit: HELD_MAX });
