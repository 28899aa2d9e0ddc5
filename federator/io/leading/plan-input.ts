import type { Logger } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { endWaits, nextPlanInput } from "../../core/leading/plan-input.ts";
import { absent, modifiedAt, put } from "../../core/transactions.ts";
import type { Replica } from "../../ports.ts";
import type { Leadership } from "./leader-lease.ts";
import { runLoop } from "../run-loop.ts";
import type { TypedRecords } from "../typed-records.ts";

export interface PlanInputOptions {
  readonly catalog: Catalog;
  readonly replica: Pick<Replica, "position">;
  readonly records: Pick<TypedRecords, "planInputHeld">;
  readonly leadership: Pick<Leadership, "fence">;
  readonly observations: () => readonly Observation[];
  readonly zones: readonly Zone[];
  /** Undefined while that is not known. */
  readonly hasManualFailback: () => boolean | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Never oftener than this is the record written for what the zones report; ramps and verdicts have their own pace. */
const INTERVAL_MS = 1_000;

/** While this federator leads: tells the plan what each cluster can serve and what enters the federation where. */
export function keepPlanInput(options: PlanInputOptions): {
  readonly close: () => Promise<void>;
} {
  const { catalog, replica, records, leadership, zones, clock, log } = options;
  const closing = new AbortController();
  const loop = runLoop(
    { name: "plan input", intervalMs: INTERVAL_MS, clock, log, signal: closing.signal },
    async (signal) => {
      const fence = leadership.fence();
      if (fence === null || replica.position().incarnation === "") return;
      const held = records.planInputHeld();
      const heard = nextPlanInput(held?.value, options.observations(), zones);
      const next = options.hasManualFailback() === false ? endWaits(heard, held?.value) : heard;
      if (next === undefined) return;
      const key = keys.planInput();
      // A conflict is somebody else's ramp or release: the next turn starts from that.
      await catalog.txn(
        {
          compares: [fence, held === undefined ? absent(key) : modifiedAt(key, held)],
          operations: [put(key, next)],
        },
        signal,
      );
    },
  );
  return {
    close: async () => {
      closing.abort(new Error("the plan input is no longer kept"));
      await loop.ended;
    },
  };
}
