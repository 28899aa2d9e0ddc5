import { Value } from "typebox/value";
import type { Zone } from "#lib/contracts/zone.ts";
import { newTenantTransaction } from "#lib/new-tenant.ts";
import { FederatorConfig } from "../../../federator/config.ts";
import type { Network } from "../engine/network.ts";
import { startNetwork } from "../engine/network.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import type { Trace } from "../engine/trace.ts";
import { type VirtualTime, virtualTime } from "../engine/virtual-time.ts";
import { type SimulatedCatalog, simulateCatalog } from "./catalog-process.ts";
import { describeEvent } from "./describe-event.ts";
import { distances, FEDERATOR_SETTINGS, type WorldSettings, zonesOf } from "./settings.ts";
import { TENANTS } from "./tenants.ts";
import type { WorldEvent } from "./world-events.ts";
import type { WorldGround } from "./world-ground.ts";
import { type SimulatedZone, simulateZone } from "./zone.ts";

/** Everything there is: what checks look at, and what faults break. */
export interface World {
  readonly ground: WorldGround;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly catalog: SimulatedCatalog;
  readonly zones: readonly SimulatedZone[];
  readonly zone: (name: string) => SimulatedZone | undefined;
  readonly run: (forMs: number) => Promise<void>;
  /** A fault begins, or is over. Quiet ones leave the rest of the world in calm. */
  readonly disturb: (name: string, isLoud: boolean) => void;
  readonly calmDown: (name: string, isLoud: boolean) => void;
  /** Since when nothing is disturbed; plus infinity while something is. */
  readonly calmSinceMs: () => number;
  /** All that was broken is whole again, and every process runs. */
  readonly heal: () => void;
  /** No federator and no catalog any more. */
  readonly killControl: () => void;
}

export interface WorldOptions {
  readonly settings: WorldSettings;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly onEvent: (event: WorldEvent) => void;
}

export function buildWorld({ settings, random, trace, onEvent }: WorldOptions): World {
  const zones = zonesOf(settings.zones);
  const time = virtualTime(trace);
  const network = startNetwork(time, random.fork("network"), distances(zones));
  const emit = (event: WorldEvent): void => {
    const described = describeEvent(event);
    if (described !== undefined) trace.note(time.nowMs(), described.who, described.what);
    onEvent(event);
  };
  const catalog = simulateCatalog(time, random.fork("catalog"), {
    onRevision: (truth, revision) => emit({ kind: "revision", truth, revision }),
    onDied: (host) => {
      network.died(host);
      for (const zone of simulated) zone.catalogDied();
    },
  });
  const ground: WorldGround = {
    time,
    random,
    network,
    catalog,
    emit,
    zone: (name) => byName.get(name),
    configOf: (zone) => configOf(zone, zones),
  };
  const simulated = zones.map((zone) => simulateZone(ground, zone));
  const byName = new Map(simulated.map((zone) => [zone.name, zone]));

  let disturbances = 0;
  let calmSinceMs = 0;
  const run = (forMs: number): Promise<void> => time.runUntil(time.nowMs() + forMs);
  return {
    ground,
    time,
    network,
    catalog,
    zones: simulated,
    zone: ground.zone,
    run,
    disturb: (name, isLoud) => {
      emit({ kind: "fault", name, isOver: false });
      if (isLoud) disturbances += 1;
    },
    calmDown: (name, isLoud) => {
      emit({ kind: "fault", name, isOver: true });
      if (isLoud) disturbances -= 1;
      if (isLoud) calmSinceMs = time.nowMs();
    },
    calmSinceMs: () => (disturbances > 0 ? Number.POSITIVE_INFINITY : calmSinceMs),
    heal: () => {
      network.heal();
      if (catalog.serving() === undefined) catalog.start();
      catalog.serving()?.host.thaw();
      for (const zone of simulated) {
        zone.thaw();
        zone.start();
      }
      calmSinceMs = time.nowMs();
    },
    killControl: () => {
      catalog.crash();
      for (const zone of simulated) zone.crashFederator();
    },
  };
}

/** The first tenants, written before anybody else does; then everything starts. */
export async function openWorld({ catalog, zones, run }: World): Promise<void> {
  catalog.start();
  const serving = catalog.serving();
  for (const tenant of TENANTS)
    serving?.catalog
      .txn(
        newTenantTransaction(
          tenant,
          { keyHash: Buffer.from(tenant).toString("hex").padEnd(64, "0"), prefix: tenant },
          zones.map(({ name }) => name),
          serving.host.clock.wallMs(),
        ),
      )
      .catch(() => undefined);
  await run(50);
  for (const zone of zones) zone.start();
}

function configOf(zone: string, zones: readonly Zone[]): FederatorConfig {
  const given = {
    ...FEDERATOR_SETTINGS,
    zone,
    zones: [...zones],
    runDirectory: "run",
    bootTokenFile: "token",
    stateDirectory: "state",
    codeDirectory: "code",
  };
  return Value.Parse(FederatorConfig, Value.Default(FederatorConfig, given));
}
