import { changedKey } from "#lib/catalog/history.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { Change } from "#lib/ports/catalog.ts";
import { readLeader, readVerdict } from "../../../federator/io/read-records.ts";
import type { CatalogTruth, TrueRevision } from "../world/catalog-truth.ts";
import type { Invariant } from "./check.ts";

/** Told by who sent the write, not by what it compared: a write that was never fenced shows too. */
export const oneLeaderActs: Invariant = {
  name: "3 at most one leader acts, and none believes in a lease that is over",
  start: ({ world, broken }) => ({
    always: (event) => {
      if (event.kind !== "revision") return;
      const { truth, revision } = event;
      const elected = leaderAt(truth, revision.revision - 1);
      if (isLeadersAct(truth, revision) && revision.writer !== elected)
        broken(
          `${revision.writer} wrote revision ${revision.revision} as a leader, which was ${elected ?? "nobody"}`,
        );
      if (!revision.changes.some((change) => changedKey(change) === keys.leader())) return;
      const inForce = leaderAt(truth, revision.revision);
      for (const { federator } of world.zones) {
        const life = federator();
        if (life?.host.state() !== "running" || life.host.name === inForce) continue;
        if (life.isLeader())
          broken(`${life.host.name} believes to lead, and the catalog has ${inForce ?? "nobody"}`);
      }
    },
  }),
};

const leaderAt = (truth: CatalogTruth, revision: number): string | undefined =>
  readLeader(truth.recordAt(keys.leader(), revision))?.value.sessionId;

/** The plan's input, and bringing back a cluster that was once taken out, are the leader's alone. */
function isLeadersAct(truth: CatalogTruth, { revision, changes }: TrueRevision): boolean {
  return changes.some((change) => isPlanInput(change) || isReturn(truth, revision, change));
}

const isPlanInput = (change: Change): boolean => changedKey(change) === keys.planInput();

function isReturn(truth: CatalogTruth, revision: number, change: Change): boolean {
  const key = changedKey(change);
  if (change.kind === "delete" || !key.startsWith(prefixes.verdicts)) return false;
  if (readVerdict(change.record)?.value.state !== "up") return false;
  return truth.recordAt(key, revision - 1) !== undefined;
}
