import type { Invariant } from "./check.ts";

/** Nothing is wrong any more: what was written before the last moments is in every replica and every gateway. */
const LAG_MAX_MS = 5_000;

export const replicasConverge: Invariant = {
  name: "2 after healing every replica and every table catches up",
  start: ({ world, broken }) => {
    let newest: { readonly revision: number; readonly atMs: number }[] = [];
    return {
      always: (event) => {
        if (event.kind === "revision")
          newest = [
            ...newest.slice(-50),
            { revision: event.revision.revision, atMs: world.time.nowMs() },
          ];
      },
      finally: () => {
        const dueMs = world.time.nowMs() - LAG_MAX_MS;
        const due = newest.findLast(({ atMs }) => atMs <= dueMs)?.revision ?? 0;
        const { incarnation } = world.catalog.newestTruth();
        for (const { name, federator, gateway } of world.zones) {
          const position = federator()?.replica.position();
          if (position?.incarnation.split("~")[0] !== incarnation || position.revision < due)
            broken(
              `${name}'s replica is at ${describe(position)}, the catalog was at ${due} before`,
            );
          const table = gateway()?.table()?.position;
          if (table?.incarnation.split("~")[0] !== incarnation || table.revision < due)
            broken(`${name}'s gateway is at ${describe(table)}, the catalog was at ${due} before`);
        }
      },
    };
  },
};

const describe = (
  position: { readonly incarnation: string; readonly revision: number } | undefined,
): string => (position === undefined ? "nothing" : `${position.incarnation}@${position.revision}`);
