import { canonicalJson } from "#lib/table-digest.ts";
import type { SimulatedGateway } from "../world/gateway-process.ts";
import type { Invariant } from "./check.ts";

/** The last act of every seed: no federator and no catalog any more, and one gateway starts anew from its disk. */
const WITHOUT_CONTROL_MS = 20_000;

export const servedWithoutControl: Invariant = {
  name: "7 with federators and catalog dead, answers are unchanged",
  start: ({ world, broken }) => ({
    lastAct: async () => {
      const before = world.zones.map(({ gateway }) => answersOf(gateway()));
      world.killControl();
      await world.run(WITHOUT_CONTROL_MS / 2);
      world.zones[0]?.restartGateway();
      await world.run(WITHOUT_CONTROL_MS / 2);
      for (const [index, { name, gateway }] of world.zones.entries())
        if (answersOf(gateway()) !== before[index])
          broken(`${name}'s gateway answers otherwise than before`);
    },
  }),
};

/** Routes, keys and limits; what clusters are used is theirs to decide anew. */
const answersOf = (gateway: SimulatedGateway | undefined): string =>
  canonicalJson([...(gateway?.table()?.entries.values() ?? [])]);
