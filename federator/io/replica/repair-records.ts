import type { Logger } from "pino";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import { changedKey } from "#lib/catalog/history.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { isSameWrite } from "../../core/replica/diff-snapshot.ts";
import type { ReplicaState } from "./replica-state.ts";

/** Keys named in one line of the log. */
const NAMED_KEYS_MAX = 10;

export type FoundBy = "digest" | "scrub";

/** A key, and the record that the catalog has of it at the position that was compared; undefined: none. */
export interface Truth {
  readonly key: string;
  readonly record: CatalogRecord | undefined;
}

/** Keys that were changed since this was begun: what the catalog said of them before is no longer the truth. */
export interface ChangesSince extends Disposable {
  readonly has: (key: string) => boolean;
}

export function changesSince(state: ReplicaState): ChangesSince {
  const changed = new Set<string>();
  let isAnyChanged = false;
  const stop = state.onApplied(({ changes, isSnapshot }) => {
    if (isSnapshot) isAnyChanged = true;
    for (const change of changes) changed.add(changedKey(change));
  });
  return { has: (key) => isAnyChanged || changed.has(key), [Symbol.dispose]: stop };
}

export interface RepairTally {
  readonly byDigest: number;
  readonly byScrub: number;
  readonly lastAtMs: number | null;
}

export interface Repairer {
  /** Makes the copy say what the catalog says, in one local transaction; tells how many records were wrong. */
  readonly putRight: (
    truths: readonly Truth[],
    since: ChangesSince,
    foundBy: FoundBy,
  ) => Promise<number>;
  readonly tally: () => RepairTally;
}

export function recordRepairer(state: ReplicaState, clock: Clock, log: Logger): Repairer {
  let tally: RepairTally = { byDigest: 0, byScrub: 0, lastAtMs: null };
  return {
    tally: () => tally,
    putRight: (truths, since, foundBy) =>
      state.exclusively(async () => {
        const changes = truths
          .filter(({ key, record }) => !since.has(key) && !isAsItShould(state, key, record))
          .map(toChange);
        if (changes.length === 0) return 0;
        log.error(
          {
            foundBy,
            position: state.cursor(),
            count: changes.length,
            keys: changes.slice(0, NAMED_KEYS_MAX).map(changedKey),
          },
          "records of this zone's replica are not those of the catalog; they are repaired",
        );
        await state.run("repair", changes);
        const field = foundBy === "digest" ? "byDigest" : "byScrub";
        tally = { ...tally, [field]: tally[field] + changes.length, lastAtMs: clock.wallMs() };
        // In no revision: whatever was made of the wrong records is to be made anew.
        state.tell(changes, true);
        return changes.length;
      }),
  };
}

function isAsItShould(
  state: ReplicaState,
  key: string,
  record: CatalogRecord | undefined,
): boolean {
  const here = state.reads.copyOf(key);
  if (here === undefined || record === undefined) return here === record;
  return isSameWrite(here, record) && here.leaseId === record.leaseId;
}

const toChange = ({ key, record }: Truth): Change =>
  record === undefined ? { kind: "delete", key } : { kind: "put", record };
