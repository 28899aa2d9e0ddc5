import type { CatalogRecord } from "#lib/ports/catalog.ts";
import { isKeptWhenAbsent, isLasting } from "./record-kinds.ts";

/** A key that is held here, in the snapshot, or in both. */
export interface Pair {
  readonly key: string;
  readonly held: CatalogRecord | undefined;
  readonly found: CatalogRecord | undefined;
}

/** Both in key order; each key of either once, in order, with at most one record of each side in memory. */
export function* pairByKey(
  held: Iterable<CatalogRecord>,
  found: Iterable<CatalogRecord>,
): Generator<Pair, void, undefined> {
  const ours = held[Symbol.iterator]();
  const theirs = found[Symbol.iterator]();
  let our = ours.next();
  let their = theirs.next();
  while (our.done !== true || their.done !== true) {
    const ourKey = our.done === true ? undefined : our.value.key;
    const theirKey = their.done === true ? undefined : their.value.key;
    const isOurs = theirKey === undefined || (ourKey !== undefined && ourKey <= theirKey);
    const isTheirs = ourKey === undefined || (theirKey !== undefined && theirKey <= ourKey);
    const key = (isOurs ? ourKey : theirKey) ?? "";
    yield {
      key,
      held: isOurs ? (our.value ?? undefined) : undefined,
      found: isTheirs ? (their.value ?? undefined) : undefined,
    };
    if (isOurs) our = ours.next();
    if (isTheirs) their = theirs.next();
  }
}

/** The same write of the same history. */
export const isSameWrite = (one: CatalogRecord, other: CatalogRecord): boolean =>
  one.modRevision === other.modRevision &&
  one.createRevision === other.createRevision &&
  one.value === other.value;

/** A history that only went on never shows a key older than it was, nor another value of the same revision. */
export const contradicts = ({ held, found }: Pair): boolean =>
  held !== undefined &&
  found !== undefined &&
  (held.modRevision > found.modRevision ||
    (held.modRevision === found.modRevision && !isSameWrite(held, found)));

/** Whether a restored catalog lost what is held: it has nothing of that key, or something older. */
export const isStranded = ({ key, held, found }: Pair): boolean =>
  held !== undefined &&
  (found === undefined
    ? isKeptWhenAbsent(key)
    : isLasting(key) && found.modRevision < held.modRevision && found.value !== held.value);

/** Functions a snapshot may take away without being asked, as a number and as a share: more than both waits for an operator. */
const REMOVED_FUNCTIONS_MAX = 20;
const REMOVED_SHARE_MAX = 0.01;

export interface Removals {
  readonly removed: number;
  readonly held: number;
  /** So many that a damaged or emptied catalog is likelier than an intention. */
  readonly isSuspicious: boolean;
}

export const judgeRemovals = (held: number, removed: number): Removals => ({
  removed,
  held,
  isSuspicious: removed > REMOVED_FUNCTIONS_MAX && removed > held * REMOVED_SHARE_MAX,
});
