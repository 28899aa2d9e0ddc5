import { prefixes } from "#lib/contracts/catalog-keys.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import {
  contradicts,
  isSameWrite,
  isStranded,
  type Pair,
  pairByKey,
} from "../../core/replica/diff-snapshot.ts";
import { isLasting } from "../../core/replica/record-kinds.ts";
import type { EngineGround } from "./engine-ground.ts";
import type { ReplicaTables } from "./replica-tables.ts";

const CHUNK_RECORDS = 2_000;

export interface SnapshotPage {
  readonly records: readonly CatalogRecord[];
  readonly isLast: boolean;
}

export interface SnapshotSum {
  readonly heldFunctions: number;
  /** Functions that it would take away for good. */
  readonly removedFunctions: number;
  readonly changed: number;
  /** Records that the restored catalog lost and that stay. */
  readonly newlyStranded: number;
  /** Of the ephemeral kinds, which are few; nobody is told the others one by one. */
  readonly changes: readonly Change[];
}

/**
 * Turns the copy into another one page by page, in one transaction that nobody sees before its end; whatever ends it early, a
 * crash included, leaves the copy as it was.
 */
export interface SnapshotSession {
  readonly beginSnapshot: (isRestored: boolean) => void;
  /** `contradicted`: the catalog shows another history than the one held here; begin again as a restored one. */
  readonly addPage: (page: SnapshotPage) => "added" | "contradicted";
  /** After the last page. */
  readonly sumUp: () => SnapshotSum;
  readonly commitSnapshot: (position: Position) => void;
  readonly abandonSnapshot: () => void;
}

interface Session {
  readonly isRestored: boolean;
  readonly heldFunctions: number;
  readonly ephemeral: Change[];
  /** Of a restored catalog: what it lost, unless it turns out to have been deleted before. */
  readonly lost: { readonly key: string; readonly modRevision: number }[];
  afterKey: string;
  removedFunctions: number;
  changed: number;
  /** The newest write that both histories have: up to there they are one. */
  commonRevision: number;
  newest: CatalogRecord | undefined;
}

export function snapshotSession(ground: EngineGround): SnapshotSession {
  const { tables } = ground;
  let session: Session | undefined;
  const current = (): Session => {
    if (session === undefined) throw new Error("no snapshot was begun");
    return session;
  };
  const abandonSnapshot = (): void => {
    if (session === undefined) return;
    session = undefined;
    ground.rollback();
  };
  return {
    beginSnapshot: (isRestored) => {
      abandonSnapshot();
      tables.begin();
      session = {
        isRestored,
        heldFunctions: tables.count(prefixes.functions),
        ephemeral: [],
        lost: [],
        afterKey: "",
        removedFunctions: 0,
        changed: 0,
        commonRevision: 0,
        newest: undefined,
      };
    },
    addPage: ({ records, isLast }) => {
      const into = current();
      const toKey = isLast ? undefined : (records.at(-1)?.key ?? into.afterKey);
      for (const pair of pairByKey(heldBetween(tables, into.afterKey, toKey), records)) {
        if (!into.isRestored && contradicts(pair)) return "contradicted";
        take(ground, into, pair);
      }
      into.afterKey = toKey ?? into.afterKey;
      return "added";
    },
    sumUp: () => {
      const into = current();
      const newlyStranded = keepOnlyWhatIsNewer(ground, into);
      const { heldFunctions, removedFunctions, changed, ephemeral } = into;
      return { heldFunctions, removedFunctions, changed, newlyStranded, changes: ephemeral };
    },
    commitSnapshot: (position) => {
      const { newest } = current();
      ground.setWitnesses(
        newest === undefined ? [] : [{ key: newest.key, modRevision: newest.modRevision }],
      );
      tables.setCursor(position);
      ground.commit();
      session = undefined;
    },
    abandonSnapshot,
  };
}

function take({ set, stranded }: EngineGround, into: Session, pair: Pair): void {
  const { key, held, found } = pair;
  if (found !== undefined && found.modRevision >= (into.newest?.modRevision ?? 0))
    into.newest = found;
  if (held !== undefined && found !== undefined && isSameWrite(held, found)) {
    into.commonRevision = Math.max(into.commonRevision, held.modRevision);
    if (held.leaseId === found.leaseId) return;
  }
  into.changed += 1;
  set(key, found);
  stranded.heard(key, found?.value);
  if (!isLasting(key))
    into.ephemeral.push(
      found === undefined ? { kind: "delete", key } : { kind: "put", record: found },
    );
  if (into.isRestored && held !== undefined && isStranded(pair)) {
    stranded.keep(held);
    into.lost.push({ key, modRevision: held.modRevision });
  } else if (found === undefined && key.startsWith(prefixes.functions)) into.removedFunctions += 1;
}

/**
 * A write that both histories have proves that they were one up to it. What is not newer and not in the catalog any more was
 * deleted on purpose, not lost.
 */
function keepOnlyWhatIsNewer({ stranded }: EngineGround, into: Session): number {
  let kept = 0;
  for (const { key, modRevision } of into.lost) {
    if (modRevision > into.commonRevision) {
      kept += 1;
      continue;
    }
    stranded.drop(key);
    if (key.startsWith(prefixes.functions)) into.removedFunctions += 1;
  }
  return kept;
}

/** In chunks, so that a page that covers the rest of a large catalog does not bring it into memory. */
function* heldBetween(
  tables: ReplicaTables,
  afterKey: string,
  toKey: string | undefined,
): Generator<CatalogRecord, void, undefined> {
  let from = afterKey;
  for (;;) {
    const chunk = tables.page({ afterKey: from, toKey, limit: CHUNK_RECORDS });
    yield* chunk;
    if (chunk.length < CHUNK_RECORDS) return;
    from = chunk.at(-1)?.key ?? from;
  }
}
