import type { Invariant } from "./check.ts";

/** All is whole again for longer than any evidence lasts: nobody has a reason left to go round a cluster that answers. */
export const overlaysEnd: Invariant = {
  name: "8 after healing no overlay is left on a cluster that answers",
  start: ({ world, broken }) => ({
    finally: () => {
      const answering = world.zones
        .filter(({ agent }) => agent.goneSinceMs() === undefined)
        .map(({ clusterId }) => clusterId);
      for (const { name, gateway } of world.zones)
        for (const clusterId of gateway()?.overlaid() ?? [])
          if (answering.includes(clusterId))
            broken(`${name}'s gateway still goes round ${clusterId}, which answers`);
    },
  }),
};
