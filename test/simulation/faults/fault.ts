import type { SeededRandom } from "../engine/seeded-random.ts";
import type { World } from "../world/world.ts";

/** Something that goes wrong for a while. */
export interface Fault {
  readonly name: string;
  /** How long it lasts, in milliseconds; drawn between the two. */
  readonly lastsMs: { readonly low: number; readonly high: number };
  /** Whether nothing else may be wrong when "calm" is meant: deaths of clusters are what calm is needed for. */
  readonly isCalm?: boolean;
  /** Begins it; the returned function ends it. */
  readonly begin: (world: World, random: SeededRandom) => () => void;
}
