import type { Random } from "#lib/ports/random.ts";

/** When a call is due, and from where it is to look as if it came. */
export interface Arrival {
  readonly number: number;
  readonly offsetMs: number;
  readonly callerZone: string;
}

/**
 * Arrivals at a constant rate, for ever: one in each slot, somewhere in it, so that they do not march in step with the probes of
 * the system. They do not depend on the answers: the load is open loop.
 */
export function* planArrivals(
  requestsPerSecond: number,
  callerZones: readonly string[],
  random: Random,
): Generator<Arrival, never, undefined> {
  const slotMs = 1_000 / requestsPerSecond;
  for (let number = 0; ; number += 1) {
    const callerZone = callerZones[number % callerZones.length] ?? "";
    yield { number, offsetMs: (number + random.next()) * slotMs, callerZone };
  }
}
