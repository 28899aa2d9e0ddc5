import type { SeededRandom } from "../engine/seeded-random.ts";
import type { WorldGround } from "./world-ground.ts";
import { type ClientCall, rivalCalls, sendChange } from "./workload.ts";
import type { SimulatedZone } from "./zone.ts";

/** Between two changes that reach the federation. */
const PAUSE_MS = { low: 200, high: 6_000 } as const;

/** People who change things through any zone's federator, until `endMs`, and remember what they were told. */
export function startClients(
  { time, emit }: Pick<WorldGround, "time" | "emit">,
  zones: readonly SimulatedZone[],
  random: SeededRandom,
  endMs: number,
): void {
  let sent = 0;
  const send = (call: ClientCall): void => {
    const zone = zones[random.index(zones.length)];
    const federator = zone?.federator();
    if (zone === undefined || federator === undefined) return;
    sent += 1;
    const requestId = `request-${sent}`;
    federator.host.deliver(() => {
      sendChange(federator, requestId, call).then(
        (outcome) => emit({ kind: "write", zone: zone.name, requestId, outcome }),
        (error: unknown) => {
          throw error;
        },
      );
    });
  };
  const next = (): void => {
    if (time.nowMs() >= endMs) return;
    for (const call of rivalCalls(random)) send(call);
    time.schedule(random.between(PAUSE_MS.low, PAUSE_MS.high), next);
  };
  time.schedule(random.between(PAUSE_MS.low, PAUSE_MS.high), next);
}
