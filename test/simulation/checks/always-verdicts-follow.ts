import { prefixes } from "#lib/contracts/catalog-keys.ts";
import { readVerdict } from "../../../federator/io/read-records.ts";
import type { Invariant } from "./check.ts";

/** A verdict on top of another of the same state was decided by somebody who did not know that one. */
export const verdictsFollow: Invariant = {
  name: "8 each verdict is written on the one before",
  start: ({ broken }) => ({
    always: (event) => {
      if (event.kind !== "revision") return;
      const { truth, revision } = event;
      for (const change of revision.changes) {
        if (change.kind === "delete" || !change.record.key.startsWith(prefixes.verdicts)) continue;
        const { key } = change.record;
        const before = readVerdict(truth.recordAt(key, revision.revision - 1))?.value;
        const after = readVerdict(change.record)?.value;
        if (before !== undefined && before.state === after?.state)
          broken(
            `${key}: ${after.decidedBy} wrote ${after.state} at ${revision.revision}, where ${before.decidedBy} had written the same`,
          );
      }
    },
  }),
};
