import { ALL_INVARIANTS } from "./checks/all-invariants.ts";
import { seededRandom } from "./engine/seeded-random.ts";
import { startTrace } from "./engine/trace.ts";
import { unleashNemesis } from "./faults/nemesis.ts";
import { startClients } from "./world/clients.ts";
import type { WorldSettings } from "./world/settings.ts";
import { buildWorld, openWorld } from "./world/world.ts";
import type { WorldEvent } from "./world/world-events.ts";

const MINUTE_MS = 60_000;
/** After the last fault: longest retries, leases and holds are over, and every cluster may be back. */
const SETTLE_MS = 45_000;
const NOTES_MAX = 40;

export interface SeedResult {
  readonly seed: number;
  readonly events: number;
  readonly traceHash: string;
  /** Null: every invariant held. */
  readonly broken: {
    readonly invariant: string;
    readonly why: string;
    readonly atMs: number;
  } | null;
  readonly lastNotes: readonly string[];
}

export interface RunOptions {
  /** Hears every note of the trace. */
  readonly print?: (line: string) => void;
}

/** One world from its seed to its end, or to the first promise that does not hold. */
export async function runSeed(
  settings: WorldSettings,
  { print }: RunOptions = {},
): Promise<SeedResult> {
  const random = seededRandom(`meridian ${settings.seed}`);
  const trace = startTrace(NOTES_MAX, print);
  let broken: SeedResult["broken"] = null;
  let listeners: ((event: WorldEvent) => void)[] = [];
  const world = buildWorld({
    settings,
    random,
    trace,
    onEvent: (event) => {
      if (broken === null) for (const listener of listeners) listener(event);
    },
  });
  const checks = ALL_INVARIANTS.map(({ name, start }) =>
    start({
      world,
      broken: (why) => {
        broken ??= { invariant: name, why, atMs: world.time.nowMs() };
        world.time.stop();
      },
    }),
  );
  listeners = checks.map(({ always }) => always).filter((always) => always !== undefined);
  const isBroken = (): boolean => broken !== null;

  const endMs = settings.minutes * MINUTE_MS;
  await openWorld(world);
  startClients(world.ground, world.zones, random.fork("clients"), endMs - SETTLE_MS / 2);
  unleashNemesis(world, random.fork("nemesis"), endMs - SETTLE_MS);
  await world.run(endMs - SETTLE_MS - world.time.nowMs());
  if (!isBroken()) world.heal();
  if (!isBroken()) await world.run(SETTLE_MS);
  for (const { finally: look } of checks) if (!isBroken()) look?.();
  for (const { lastAct } of checks) if (!isBroken()) await lastAct?.();

  return {
    seed: settings.seed,
    events: trace.count(),
    traceHash: trace.hash(),
    broken,
    lastNotes: isBroken() ? trace.lastNotes() : [],
  };
}
