import type { StoredArchive } from "#lib/ports/code-store.ts";
import { codeZonesMin } from "../functions/check-manifest.ts";

/** A version's code, and the zones it may lie in. */
export interface CodeUse {
  readonly digest: string;
  readonly zones: readonly string[];
}

export interface CodeView {
  /** Zones that hold a copy of what the store has. */
  readonly zonesHeld: readonly string[];
  readonly uses: readonly CodeUse[];
  readonly stored: readonly StoredArchive[];
  /**
   * False while the replica may not know every version there is: behind, cut off, holding back a snapshot, with stranded
   * records, or with a version's record that it cannot read.
   */
  readonly mayCollect: boolean;
}

interface Removal {
  readonly digest: string;
  readonly claim: string;
}

export interface CodeTending {
  /** Code that this store should hold and does not, since it was down or cut off when the version was made. */
  readonly fetch: readonly string[];
  /** Archives that nothing can refer to: staged and never deployed, deleted, or an older copy. */
  readonly remove: readonly Removal[];
  /** Archives that only versions of other zones use: they go once those zones say that they hold them. */
  readonly handOver: readonly (Removal & { readonly uses: readonly CodeUse[] })[];
}

/**
 * An archive that was asked for within this time may be waiting for its version. Longer than a deploy can take from the first
 * store's answer to the catalog's: a minute for each transfer, ten seconds for the transaction and its read-back.
 */
export const STAGED_KEPT_MS = 15 * 60_000;

export function planCodeTending({ zonesHeld, uses, stored, mayCollect }: CodeView): CodeTending {
  const usesOf = Map.groupBy(uses, (use) => use.digest);
  const held = new Set(stored.filter(({ isSpare }) => !isSpare).map(({ digest }) => digest));
  const fetch = [...usesOf]
    .filter(([digest, its]) => !held.has(digest) && its.some((use) => mayHold(zonesHeld, use)))
    .map(([digest]) => digest);
  if (!mayCollect) return { fetch, remove: [], handOver: [] };

  const old = stored.filter(({ idleMs }) => idleMs > STAGED_KEPT_MS);
  // Whoever holds a copy in a zone of the residency keeps it, even where another of its zones is outside.
  const isUsedHere = ({ digest }: StoredArchive): boolean =>
    (usesOf.get(digest) ?? []).some(({ zones }) => zones.some((zone) => zonesHeld.includes(zone)));
  const unwanted = old.filter((archive) => archive.isSpare || !isUsedHere(archive));
  const isUsedElsewhere = ({ digest, isSpare }: StoredArchive): boolean =>
    !isSpare && usesOf.has(digest);
  return {
    fetch,
    remove: unwanted.filter((archive) => !isUsedElsewhere(archive)).map(removal),
    handOver: unwanted
      .filter(isUsedElsewhere)
      .map((archive) => ({ ...removal(archive), uses: usesOf.get(archive.digest) ?? [] })),
  };
}

const removal = ({ digest, claim }: StoredArchive): Removal => ({ digest, claim });

/** All zones of the store must be allowed: what is put into it lies in each of them. */
const mayHold = (zonesHeld: readonly string[], { zones }: CodeUse): boolean =>
  zonesHeld.every((zone) => zones.includes(zone));

/** Whether each of the uses has as many holding zones, of those it allows, as a deploy would ask for. */
export const isHandedOver = (
  uses: readonly CodeUse[],
  holdersAmong: (zones: readonly string[]) => readonly string[],
): boolean => uses.every(({ zones }) => holdersAmong(zones).length >= codeZonesMin(zones.length));
