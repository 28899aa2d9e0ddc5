import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import type { DoorLimits } from "../core/door-limits.ts";
import type { RequestIds } from "../core/request-id.ts";
import type { Handler } from "../pipeline.ts";
import type { Arrival } from "../ports.ts";

/** What every protocol at the door works with. */
export interface DoorOptions {
  readonly handler: Handler<Arrival>;
  readonly requestIds: RequestIds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: DoorLimits;
  /** From then on answers tell callers to connect anew. */
  readonly isDraining: () => boolean;
}
