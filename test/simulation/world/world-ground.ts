import type { FederatorConfig } from "../../../federator/config.ts";
import type { Network } from "../engine/network.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import type { VirtualTime } from "../engine/virtual-time.ts";
import type { SimulatedCatalog } from "./catalog-process.ts";
import type { WorldEvent } from "./world-events.ts";
import type { SimulatedZone } from "./zone.ts";

/** What the parts of the world share. */
export interface WorldGround {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly catalog: SimulatedCatalog;
  readonly zone: (name: string) => SimulatedZone | undefined;
  readonly configOf: (zone: string) => FederatorConfig;
  readonly emit: (event: WorldEvent) => void;
}
