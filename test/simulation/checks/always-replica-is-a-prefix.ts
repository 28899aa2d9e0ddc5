import { changedKey } from "#lib/catalog/history.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { Replica } from "../../../federator/ports.ts";
import type { CatalogTruth } from "../world/catalog-truth.ts";
import type { Invariant } from "./check.ts";

/**
 * Compared with the catalog's own history at that revision: everything when a replica opens, takes a snapshot, and at the end;
 * in between what the revisions since the last look touched, and what the replica says it touched.
 */
export const replicaIsAPrefix: Invariant = {
  name: "2 each replica shows a prefix of one history",
  start: ({ world, broken }) => {
    const lastSeen = new Map<string, Position>();
    const look = (
      zone: string,
      replica: Replica,
      touched: Iterable<string> | "everything",
    ): void => {
      const position = replica.position();
      if (position.incarnation === "") return;
      const truth = world.catalog.truth(baseOf(position.incarnation));
      const place = `${zone} at ${position.incarnation}@${position.revision}`;
      if (truth === undefined) return broken(`${place}: the catalog never had this incarnation`);
      if (position.revision > truth.newest())
        return broken(`${place}: the catalog is only at ${truth.newest()}`);
      const before = lastSeen.get(zone);
      lastSeen.set(zone, position);
      if (before?.incarnation === position.incarnation && before.revision > position.revision)
        return broken(`${place}: it was at ${before.revision} before`);

      const isStranded = position.incarnation.includes("~");
      const isContinued = before?.incarnation === position.incarnation && touched !== "everything";
      const keys = isContinued
        ? new Set([...touched, ...touchedBetween(truth, before.revision, position.revision)])
        : allKeys(truth, replica, position.revision);
      for (const key of keys) {
        const expected = truth.recordAt(key, position.revision);
        if (isStranded && expected === undefined) continue;
        const found = replica.get(key);
        if (!isSame(found, expected))
          return broken(
            `${place}: ${key} is ${describe(found)}, the history has ${describe(expected)}`,
          );
      }
    };
    return {
      always: (event) => {
        if (event.kind === "replica-opened") {
          lastSeen.delete(event.zone);
          look(event.zone, event.replica, "everything");
        }
        if (event.kind === "replica-applied") {
          const { isSnapshot, changes } = event.applied;
          look(event.zone, event.replica, isSnapshot ? "everything" : changes.map(changedKey));
        }
      },
      finally: () => {
        for (const { name, federator } of world.zones) {
          const replica = federator()?.replica;
          if (replica !== undefined) look(name, replica, "everything");
        }
      },
    };
  },
};

/** Of a replica with stranded records, the incarnation that it follows. */
const baseOf = (incarnation: string): string => incarnation.split("~")[0] ?? "";

function* touchedBetween(truth: CatalogTruth, after: number, upTo: number): Generator<string> {
  for (let revision = after + 1; revision <= upTo; revision += 1)
    for (const change of truth.revision(revision)?.changes ?? []) yield changedKey(change);
}

const allKeys = (truth: CatalogTruth, replica: Replica, revision: number): ReadonlySet<string> =>
  new Set([...truth.recordsAt(revision).keys(), ...replica.list("").map(({ key }) => key)]);

const isSame = (one: CatalogRecord | undefined, other: CatalogRecord | undefined): boolean =>
  one?.modRevision === other?.modRevision &&
  one?.createRevision === other?.createRevision &&
  one?.value === other?.value;

const describe = (record: CatalogRecord | undefined): string =>
  record === undefined ? "absent" : `of revision ${record.modRevision}`;
