import type { Invariant } from "./check.ts";

/** The production code compares the replicas too, and repairs: where it found something to repair, something was wrong before. */
export const digestsAgree: Invariant = {
  name: "2 replicas at one position have one digest, and none was ever repaired",
  start: ({ world, broken }) => ({
    finally: () => {
      const known = new Map<string, { readonly zone: string; readonly sums: string }>();
      for (const { name: zone, federator } of world.zones) {
        const life = federator();
        if (life === undefined) continue;
        const { byDigest, byScrub } = life.repairs();
        if (byDigest + byScrub > 0)
          broken(`${zone}'s replica had ${byDigest + byScrub} records repaired`);
        for (const { position, sums } of life.replica.state.digests()) {
          const place = `${position.incarnation}@${position.revision}`;
          const its = { zone, sums: Buffer.from(sums).toString("base64") };
          const other = known.get(place) ?? its;
          known.set(place, other);
          if (other.sums !== its.sums)
            broken(`${place}: the replicas of ${other.zone} and ${zone} have different digests`);
        }
      }
    },
  }),
};
