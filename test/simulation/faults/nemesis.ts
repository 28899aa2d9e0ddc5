import type { SeededRandom } from "../engine/seeded-random.ts";
import type { World } from "../world/world.ts";
import { catalogFaults } from "./catalog-faults.ts";
import type { Fault } from "./fault.ts";
import { networkFaults } from "./network-faults.ts";
import { zoneFaults } from "./zone-faults.ts";

/** Time to start before anything is broken. */
const GRACE_MS = 8_000;
const PAUSE_MS = { low: 500, high: 25_000 } as const;
const AT_ONCE_MAX = 3;

const ALL_FAULTS: readonly Fault[] = [...zoneFaults, ...networkFaults, ...catalogFaults];

/** Breaks things, one after the other and sometimes together, until `endMs`; then everything is as it should be. */
export function unleashNemesis(world: World, random: SeededRandom, endMs: number): void {
  const { time } = world;
  const faults = chooseFaults(random);
  let atOnce = 0;
  const begin = (fault: Fault): void => {
    const undo = fault.begin(world, random);
    const isLoud = fault.isCalm !== true;
    atOnce += 1;
    world.disturb(fault.name, isLoud);
    const lastsMs = random.between(fault.lastsMs.low, fault.lastsMs.high);
    const leftMs = Math.max(0, endMs - time.nowMs());
    time.schedule(Math.min(lastsMs, leftMs), () => {
      atOnce -= 1;
      undo();
      world.calmDown(fault.name, isLoud);
    });
  };
  const next = (): void => {
    if (time.nowMs() >= endMs) return;
    const fault = faults[random.index(faults.length)];
    if (fault !== undefined && atOnce < AT_ONCE_MAX) begin(fault);
    time.schedule(random.between(PAUSE_MS.low, PAUSE_MS.high), next);
  };
  time.schedule(GRACE_MS, next);
}

/** Each seed has its own few kinds ("swarm testing", Groce et al. 2012): more is found than with all kinds at once. */
function chooseFaults(random: SeededRandom): readonly Fault[] {
  const share = random.between(0.15, 0.8);
  const chosen = ALL_FAULTS.filter(() => random.chance(share));
  return chosen.length > 0 ? chosen : ALL_FAULTS;
}
