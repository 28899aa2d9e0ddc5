import type { Invariant } from "./check.ts";

/** A table and the overlay that belongs to it arrive one after the other; for so long they may be out of step. */
const OUT_OF_STEP_MS = 2_500;

export const oneClusterStays: Invariant = {
  name: "8 the last cluster is never taken out",
  start: ({ world, broken }) => {
    const noneSinceMs = new Map<string, number>();
    return {
      always: (event) => {
        if (event.kind !== "table" && event.kind !== "overlay") return;
        const gateway = world.zone(event.zone)?.gateway();
        if (gateway === undefined) return;
        const nowMs = world.time.nowMs();
        if (gateway.usableClusters().length > 0 || !gateway.everHadClusters()) {
          noneSinceMs.delete(event.gatewayHost);
          return;
        }
        const sinceMs = noneSinceMs.get(event.gatewayHost) ?? nowMs;
        noneSinceMs.set(event.gatewayHost, sinceMs);
        if (nowMs - sinceMs > OUT_OF_STEP_MS)
          broken(
            `${event.zone}'s gateway has had no cluster for ${Math.round(nowMs - sinceMs)} ms`,
          );
      },
    };
  },
};
