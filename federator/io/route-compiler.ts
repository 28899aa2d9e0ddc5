import { entryKey, type Position, type RouteEntry } from "#lib/contracts/route-table.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { tableDigest } from "#lib/table-digest.ts";
import { compileEntry, compileRoutes, entriesTouchedBy } from "../core/compile-routes.ts";
import { deltaLog } from "../core/delta-log.ts";
import type { RecordReader } from "../core/record-reader.ts";
import type { AppliedRevision } from "../ports.ts";
import type { RunningReplica } from "./replica.ts";

export interface TableChange {
  readonly upserts: readonly RouteEntry[];
  readonly removed: readonly string[];
}

/** The newest table of this zone, and the way to it from the positions before. */
export interface RouteCompiler {
  /** Undefined while the replica has no position. */
  readonly table: () => RouteTable | undefined;
  /** What changed between the position and now; undefined when only the whole table helps. */
  readonly changeSince: (from: Position) => TableChange | undefined;
  readonly onTable: (listener: () => void) => void;
  readonly close: () => void;
}

export function routeCompiler(
  replica: Pick<RunningReplica, "position" | "keys" | "onApplied">,
  records: RecordReader,
  clusterIds: readonly string[],
): RouteCompiler {
  const log = deltaLog();
  const listeners = new Set<() => void>();
  let table: RouteTable | undefined;

  const compileAll = (position: Position): void => {
    const compiled = compileRoutes(replica.keys(), clusterIds, records);
    const entries = new Map(compiled.map((entry) => [entryKey(entry), entry]));
    table = { position, digest: tableDigest(entries.values()), entries };
    log.restart(position);
  };
  const compileTouched = (before: RouteTable, { position, changes }: AppliedRevision): void => {
    const touched = new Set(
      changes.flatMap((change) =>
        entriesTouchedBy(change.kind === "put" ? change.record.key : change.key, clusterIds),
      ),
    );
    log.append(position, [...touched]);
    if (touched.size === 0) {
      table = { ...before, position };
      return;
    }
    const entries = new Map(before.entries);
    for (const key of touched) {
      const entry = compileEntry(key, records);
      if (entry === undefined) entries.delete(key);
      else entries.set(key, entry);
    }
    table = { position, digest: tableDigest(entries.values()), entries };
  };

  if (replica.position().incarnation !== "") compileAll(replica.position());
  const stop = replica.onApplied((applied) => {
    if (applied.isSnapshot || table === undefined) compileAll(applied.position);
    else compileTouched(table, applied);
    for (const listener of listeners) listener();
  });

  return {
    table: () => table,
    changeSince: (from) => {
      const touched = log.touchedSince(from);
      if (touched === undefined || table === undefined) return undefined;
      const { entries } = table;
      return {
        upserts: [...touched].map((key) => entries.get(key)).filter((entry) => entry !== undefined),
        removed: [...touched].filter((key) => !entries.has(key)),
      };
    },
    onTable: (listener) => {
      listeners.add(listener);
    },
    close: stop,
  };
}
