import type { Logger } from "pino";
import type { Position } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { judgeRemovals, type Removals } from "../../core/replica/diff-snapshot.ts";
import { forgotten } from "./identify-catalog.ts";
import type { ReplicaState } from "./replica-state.ts";

const PAGE_RECORDS = 2_000;
/** A catalog may forget the revision while its pages are read; then they are read at a newer one, so often at once. */
const ATTEMPTS_MAX = 3;

export interface SnapshotOptions {
  readonly catalog: Catalog;
  readonly state: ReplicaState;
  readonly log: Logger;
  /** Another history than the one held here: what it lost is kept. */
  readonly isRestored: boolean;
  /** The catalog must still be the one that was looked at. */
  readonly incarnation: string;
  readonly mayRemove: (removals: Removals) => boolean;
}

/** Null once it is applied; else what it would have removed, and nothing was changed. */
export async function takeSnapshot(
  options: SnapshotOptions,
  signal: AbortSignal,
): Promise<Removals | null> {
  const { state } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await state.exclusively(() => copyAll(options, signal));
    } catch (error) {
      if (!(error instanceof ForgottenPages) || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

class ForgottenPages extends Error {}

async function copyAll(options: SnapshotOptions, signal: AbortSignal): Promise<Removals | null> {
  const { state, log } = options;
  let { isRestored } = options;
  try {
    let copied = await copyPages(options, isRestored, signal);
    if (copied === "contradicted") {
      log.error(
        { cursor: state.cursor() },
        "the catalog shows another history than this zone has: it was restored, and what it lost is kept",
      );
      isRestored = true;
      copied = await copyPages(options, isRestored, signal);
    }
    if (copied === "contradicted") throw new Error("a restored catalog cannot contradict");
    const sum = await state.run("sumUp");
    const removals = judgeRemovals(sum.heldFunctions, sum.removedFunctions);
    if (removals.isSuspicious && !options.mayRemove(removals)) {
      await state.run("abandonSnapshot");
      return removals;
    }
    await state.run("commitSnapshot", copied);
    const { changes, ...counts } = sum;
    log.info({ position: copied, ...counts, isRestored }, "snapshot applied");
    state.tell(changes, true);
    return null;
  } catch (error) {
    await state.run("abandonSnapshot").catch(() => undefined);
    throw error;
  }
}

/** All pages as of one revision, each compared with the disk while the next one is on its way. */
async function copyPages(
  { catalog, state, incarnation }: SnapshotOptions,
  isRestored: boolean,
  signal: AbortSignal,
): Promise<Position | "contradicted"> {
  await state.run("beginSnapshot", isRestored);
  let position: Position | undefined;
  let afterKey: string | undefined;
  let adding: Promise<"added" | "contradicted"> = Promise.resolve("added");
  for (;;) {
    const reading = catalog.range(
      {
        prefix: "",
        limit: PAGE_RECORDS,
        ...(position === undefined ? {} : { atRevision: position.revision }),
        ...(afterKey === undefined ? {} : { afterKey }),
      },
      signal,
    );
    const [read, added] = await Promise.allSettled([reading, adding]);
    if (read.status === "rejected") throw read.reason;
    if (added.status === "rejected") throw added.reason;
    if (added.value === "contradicted") return "contradicted";
    const page = read.value;
    if (page.kind === "compacted") throw new ForgottenPages(forgotten().message);
    if (page.incarnation !== incarnation)
      throw new MeridianError(
        "MERIDIAN_CATALOG_UNAVAILABLE",
        "The catalog was replaced while it was copied; it is looked at again.",
      );
    position ??= { incarnation: page.incarnation, revision: page.revision };
    const isLast = !page.more;
    adding = state.run("addPage", { records: page.records, isLast });
    if (isLast) return (await adding) === "contradicted" ? "contradicted" : position;
    afterKey = page.records.at(-1)?.key ?? afterKey;
  }
}
