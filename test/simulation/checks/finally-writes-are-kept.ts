import { keys } from "#lib/contracts/catalog-keys.ts";
import { readChange } from "../../../federator/io/read-records.ts";
import type { WorldEvent } from "../world/world-events.ts";
import type { Invariant } from "./check.ts";

type Write = Extract<WorldEvent, { kind: "write" }>;

/** What clients were told, beside what the catalog's history has: each change carries the id of its request. */
export const writesAreKept: Invariant = {
  name: "1 an acknowledged write is never lost, an ambiguous one is reported as such",
  start: ({ broken }) => {
    const made = new Map<string, number[]>();
    const writes: Write[] = [];
    return {
      always: (event) => {
        if (event.kind === "write") writes.push(event);
        if (event.kind !== "revision") return;
        for (const change of event.revision.changes) {
          if (change.kind === "delete" || change.record.key !== keys.change()) continue;
          const requestId = readChange(change.record)?.value.requestId ?? "";
          const before = made.get(requestId) ?? [];
          made.set(requestId, [...before, event.revision.revision]);
          if (before.length > 0)
            broken(
              `the request ${requestId} was made twice, at ${before.join()} and ${event.revision.revision}`,
            );
        }
      },
      finally: () => {
        for (const { requestId, outcome, zone } of writes) {
          const revisions = made.get(requestId) ?? [];
          const who = `${zone}'s request ${requestId}`;
          if (outcome.kind === "acknowledged" && !revisions.includes(outcome.revision))
            broken(`${who} was acknowledged at ${outcome.revision}, and is nowhere in the history`);
          if (outcome.kind === "refused" && revisions.length > 0)
            broken(
              `${who} was refused with ${outcome.code}, and made revision ${revisions.join()}`,
            );
        }
      },
    };
  },
};
