import type { Links } from "../../../federator/ports.ts";
import type { Host } from "../engine/host.ts";
import type { JudgingWorld } from "./judging-world.ts";

const LOSS_SHARE = 0.05;
const PAUSE_MAX_MS = 2_000;
const PAUSE_EVERY_MS = 60_000;
const NAP = { everyMs: 2_000, lastsMs: { low: 200, high: 900 } } as const;
const PARTITION = { everyMs: 180_000, lastsMs: { low: 5_000, high: 60_000 } } as const;

/** One message of twenty is lost, everywhere, each way. */
export function losePackets({ zones, network }: JudgingWorld): void {
  for (const { name: from } of zones)
    for (const { name: to } of zones)
      network.setWeather(from, to, { lossShare: LOSS_SHARE, jitterMs: 20 });
}

/** Every process stops the world for up to 2 s, about once a minute. */
export function collectGarbage({ zones, time, random }: JudgingWorld): void {
  for (const { name, agent, federator } of zones)
    for (const [who, host] of [
      [`${name} agent`, agent.host],
      [`${name} federator`, () => federator],
    ] as const) {
      const chance = random.fork(`garbage ${who}`);
      again(time, () => {
        pause(time, host(), chance.between(0, PAUSE_MAX_MS));
        return chance.between(0, 2 * PAUSE_EVERY_MS);
      });
    }
}

/** An observer on a machine with far too much to do: most of the time it is late, and never for long. */
export function slowDown({ zones, time, random }: JudgingWorld, zone: string): void {
  const chance = random.fork("slow");
  const host = zones.find(({ name }) => name === zone)?.federator;
  again(time, () => {
    pause(time, host, chance.between(NAP.lastsMs.low, NAP.lastsMs.high));
    return chance.between(0, 2 * NAP.everyMs);
  });
}

/** What an observer makes of its links. */
export type Bend = (zone: string, links: Links) => Links;

/** An observer that holds one cluster to be gone whatever is true, and itself to be well. */
export const denies =
  (observer: string, target: string): Bend =>
  (zone, links) =>
    zone === observer
      ? {
          ...links,
          ping: async (to, signal) => (to === target ? "refused" : links.ping(to, signal)),
        }
      : links;

/** A vantage point that cannot reach the clusters of other zones, again and again; every second time no federator either. */
export function cutOff(observer: string): { bend: Bend; start: (world: JudgingWorld) => void } {
  let isBlind = false;
  let isMute = false;
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  return {
    bend: (zone, links) =>
      zone === observer
        ? {
            ping: (to, signal) =>
              isBlind && to !== zone
                ? never(signal).catch(() => "silent" as const)
                : links.ping(to, signal),
            tell: (to, observation, signal) =>
              isMute ? never(signal) : links.tell(to, observation, signal),
          }
        : links,
    start: ({ time, random }) => {
      const chance = random.fork("partition");
      let times = 0;
      again(time, () => {
        times += 1;
        isBlind = true;
        isMute = times % 2 === 0;
        time.schedule(chance.between(PARTITION.lastsMs.low, PARTITION.lastsMs.high), () => {
          isBlind = false;
          isMute = false;
        });
        return chance.between(PARTITION.everyMs, 2 * PARTITION.everyMs);
      });
    },
  };
}

function again(time: JudgingWorld["time"], act: () => number): void {
  const next = (): void => {
    time.schedule(act(), next);
  };
  // Not while everything starts.
  time.schedule(20_000, next);
}

function pause(time: JudgingWorld["time"], host: Host | undefined, lastsMs: number): void {
  if (host === undefined || host.state() !== "running") return;
  host.freeze();
  time.schedule(lastsMs, host.thaw);
}
