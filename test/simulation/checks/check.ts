import type { World } from "../world/world.ts";
import type { WorldEvent } from "../world/world-events.ts";

/** Watches one promise of the system. */
export interface Check {
  /** Hears every event. */
  readonly always?: (event: WorldEvent) => void;
  /** Looks once, when all faults are healed and there was time to settle. */
  readonly finally?: () => void;
  /** After all others: may destroy the world. */
  readonly lastAct?: () => Promise<void>;
}

/** Calls `broken` with what it saw, in words, the first time that the promise does not hold. */
export interface CheckGround {
  readonly world: World;
  readonly broken: (why: string) => void;
}

export interface Invariant {
  /** The number in DESIGN's list and what it promises. */
  readonly name: string;
  readonly start: (ground: CheckGround) => Check;
}
