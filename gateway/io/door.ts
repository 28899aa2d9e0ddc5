import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import type { DoorLimits } from "../core/door-limits.ts";
import type { Handler } from "../pipeline.ts";
import type { Arrival } from "../ports.ts";
import type { RawDoor } from "./refuse-raw.ts";

/** What every protocol at the door works with. */
export interface DoorOptions extends RawDoor {
  readonly handler: Handler<Arrival>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: DoorLimits;
  /** Whether plain requests on plain connections are served without Node's HTTP server. */
  readonly fastLane: "on" | "off";
  /** From then on answers tell callers to connect anew. */
  readonly isDraining: () => boolean;
  /** Bytes of bodies that were passed on as they came: `in` from callers, `out` to them. */
  readonly countStreamed?: ((direction: "in" | "out", bytes: number) => void) | undefined;
}
