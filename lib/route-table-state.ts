import type { DeltaFrame, FullFrame } from "#lib/contracts/feed.ts";
import { entryKey, type Position, type RouteEntry } from "#lib/contracts/route-table.ts";
import { tableDigest } from "#lib/table-digest.ts";

/** A route table in force: complete, at one position, never changed in place. */
export interface RouteTable {
  readonly position: Position;
  readonly digest: string;
  /** By `entryKey`. */
  readonly entries: ReadonlyMap<string, RouteEntry>;
}

/** `stale` and `refused` leave the table before in force; the reason is for the federator and the log. */
export type Applied =
  | { readonly kind: "applied"; readonly table: RouteTable }
  /** Whole, but older than what is in force: the sender lags and will catch up. */
  | { readonly kind: "stale"; readonly reason: string }
  /** Does not fit or does not add up: only a full table helps. */
  | { readonly kind: "refused"; readonly reason: string };

/**
 * The table after a frame. A frame that would go back within an incarnation, starts elsewhere than here, or does not add up to
 * its digest is refused: a table is never half-applied.
 */
export function applyFrame(
  current: RouteTable | undefined,
  frame: FullFrame | DeltaFrame,
): Applied {
  if (frame.kind === "full") {
    const reason = goesBack(current, frame);
    if (reason !== undefined) return { kind: "stale", reason };
  } else {
    const reason = doesNotFollow(current, frame);
    if (reason !== undefined) return { kind: "refused", reason };
  }

  const entries = new Map(frame.kind === "full" ? [] : current?.entries);
  if (frame.kind === "delta") for (const key of frame.removed) entries.delete(key);
  for (const entry of frame.kind === "full" ? frame.entries : frame.upserts)
    entries.set(entryKey(entry), entry);

  const digest = tableDigest(entries.values());
  if (digest !== frame.digest)
    return {
      kind: "refused",
      reason: `the table does not have the digest ${frame.digest} but ${digest}`,
    };
  return { kind: "applied", table: { position: frame.position, digest, entries } };
}

function goesBack(current: RouteTable | undefined, frame: FullFrame): string | undefined {
  if (current === undefined || current.position.incarnation !== frame.position.incarnation)
    return undefined;
  return frame.position.revision < current.position.revision
    ? `revision ${frame.position.revision} is older than ${current.position.revision} in force here`
    : undefined;
}

function doesNotFollow(current: RouteTable | undefined, frame: DeltaFrame): string | undefined {
  if (current === undefined) return "there is no table here to change";
  if (!isSamePosition(current.position, frame.from))
    return `the change starts at ${describe(frame.from)}, the table here is at ${describe(current.position)}`;
  if (
    frame.position.incarnation !== frame.from.incarnation ||
    frame.position.revision < frame.from.revision
  )
    return `the change leads back, from ${describe(frame.from)} to ${describe(frame.position)}`;
  return undefined;
}

const isSamePosition = (one: Position, other: Position): boolean =>
  one.incarnation === other.incarnation && one.revision === other.revision;

const describe = (position: Position): string => `${position.incarnation}@${position.revision}`;
