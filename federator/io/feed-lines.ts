import type { OverlayFrame } from "#lib/contracts/feed.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { RightsLedger } from "./rights.ts";
import type { RouteCompiler } from "./route-compiler.ts";

/** An overlay outlives two lost heartbeats. */
const OVERLAY_VALID_MS = 3_000;

/** The table a receiver says it has, or was last sent. */
export type TableMark = Pick<RouteTable, "position" | "digest">;

/** How far a receiver has been told. */
export interface ToldState {
  sent: TableMark | null;
  overlayIsDue: boolean;
}

export interface FeedSources {
  readonly compiler: RouteCompiler;
  readonly overlay: LatestValue<readonly string[]>;
  readonly rights: RightsLedger;
}

/** What the receiver must be told next, noted as told; undefined when it knows everything. */
export function feedLines({
  compiler,
  overlay,
  rights,
}: FeedSources): (receiver: string, told: ToldState, nonce: number) => string | undefined {
  const tableLine = tableLines(compiler);
  return (receiver, told, nonce) => {
    if (told.overlayIsDue) {
      told.overlayIsDue = false;
      const frame: OverlayFrame = {
        kind: "overlay",
        downClusters: [...overlay.get()],
        validMs: OVERLAY_VALID_MS,
      };
      return `${JSON.stringify(frame)}\n`;
    }
    const rightsFrame = rights.next(receiver, nonce);
    if (rightsFrame !== undefined) return `${JSON.stringify(rightsFrame)}\n`;
    const line = tableLine(told.sent, nonce);
    if (line !== undefined) told.sent = compiler.table() ?? null;
    return line;
  };
}

/** The line that brings a receiver to the newest table; written out once for all that are at the same place. */
function tableLines(
  compiler: RouteCompiler,
): (sent: TableMark | null, nonce: number) => string | undefined {
  let written = new Map<number, string>();
  let writtenFor: RouteTable | undefined;

  return (sent, nonce) => {
    const table = compiler.table();
    if (table === undefined) return undefined;
    const { position, digest } = table;
    const isComparable = sent?.position.incarnation === position.incarnation;
    const from = isComparable ? sent.position : undefined;
    // One that is ahead of this zone's replica keeps what it has until the replica is there.
    if (from !== undefined && from.revision > position.revision) return undefined;
    const isSameRevision = from?.revision === position.revision;
    if (isSameRevision && sent?.digest === digest) return undefined;

    if (writtenFor !== table) {
      writtenFor = table;
      written = new Map();
    }
    const change = isSameRevision || from === undefined ? undefined : compiler.changeSince(from);
    const place = change === undefined ? -1 : (from?.revision ?? -1);
    const body =
      written.get(place) ??
      JSON.stringify(
        change === undefined
          ? { kind: "full", position, entries: [...table.entries.values()], digest }
          : { kind: "delta", from, position, ...change, digest },
      );
    written.set(place, body);
    return `{"nonce":${nonce},${body.slice(1)}\n`;
  };
}
