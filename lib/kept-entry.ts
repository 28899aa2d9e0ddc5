import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { decodeEntry } from "#lib/decode-entry.ts";
import type { TextEntry } from "#lib/table-digest.ts";

/** An entry that is kept as it came and read when it is first asked for: most of a large table nobody ever asks for. */
export interface KeptEntry extends TextEntry {
  /** Undefined: not read yet; null: of an unknown kind. */
  decoded: RouteEntry | null | undefined;
}

/** What the entry says; undefined where its kind is not known here. */
export function readEntry(kept: KeptEntry | undefined): RouteEntry | undefined {
  if (kept === undefined) return undefined;
  if (kept.decoded === undefined) {
    const decoded = decodeEntry(kept);
    kept.decoded = decoded.kind === "known" ? decoded.entry : null;
  }
  return kept.decoded ?? undefined;
}
