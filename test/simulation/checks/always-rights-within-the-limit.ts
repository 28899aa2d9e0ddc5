import { WHOLE } from "#lib/divide-grants.ts";
import type { Invariant } from "./check.ts";

/** What all gateways together believe they may spend, each by its own clock, at one moment of true time. */
export const rightsWithinTheLimit: Invariant = {
  name: "5 floors and live leases never exceed the limit",
  start: ({ world, broken }) => ({
    always: (event) => {
      if (event.kind !== "rights") return;
      const sums = new Map<string, number>();
      for (const { gateway } of world.zones)
        for (const [tenant, millionths] of gateway()?.believesMillionths() ?? [])
          sums.set(tenant, (sums.get(tenant) ?? 0) + millionths);
      for (const [tenant, sum] of sums) {
        if (sum <= WHOLE) continue;
        const parts = world.zones.map(
          ({ name, gateway }) => `${name} ${gateway()?.believesMillionths().get(tenant) ?? 0}`,
        );
        broken(`${tenant}: ${sum} millionths of the limit may be spent (${parts.join(", ")})`);
      }
    },
  }),
};
