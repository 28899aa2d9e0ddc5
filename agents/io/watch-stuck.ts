import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { stuckInstances } from "../core/stuck-instances.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";

const LOOK_INTERVAL_MS = 5_000;

/** Says once of each instance that it does not end; gives the function that stops it. */
export function watchStuck(
  loads: () => readonly VersionLoad[],
  clock: Pick<Clock, "nowMs">,
  log: Pick<Logger, "error">,
): () => void {
  const told = new WeakSet<object>();
  const looking = setInterval(() => {
    for (const load of loads())
      for (const instance of stuckInstances(load, clock.nowMs())) {
        if (told.has(instance)) continue;
        told.add(instance);
        const { tenant, functionName, version } = load;
        log.error(
          { code: "MERIDIAN_INSTANCE_STUCK", tenant, functionName, version, state: instance.state },
          "an instance was to end and does not",
        );
      }
  }, LOOK_INTERVAL_MS);
  looking.unref();
  return () => clearInterval(looking);
}
