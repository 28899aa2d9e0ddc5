import type { Catalog } from "#lib/ports/catalog.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FederatorConfig } from "../../../federator/config.ts";
import { type Control, startControl } from "../../../federator/control.ts";
import { guardCatalog } from "../../../federator/io/replica/guard-catalog.ts";
import type { RepairTally } from "../../../federator/io/replica/repair-records.ts";
import type { ReplicaDigests } from "../../../federator/io/replica/replica-digests.ts";
import { type RunningReplica, startReplica } from "../../../federator/io/replica/replica.ts";
import type { ReplicaStore } from "../../../federator/io/replica/replica-store.ts";
import { tendReplica } from "../../../federator/io/replica/tend-replica.ts";
import type { Links } from "../../../federator/ports.ts";
import type { Host } from "../engine/host.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import { silentLog } from "./silent-log.ts";

/** One life of a zone's federator: the production replica, what keeps it in order, and control, on the world's ports. */
export interface SimulatedFederator {
  readonly host: Host;
  readonly zone: Zone;
  readonly catalog: Catalog;
  readonly replica: RunningReplica;
  /** What it answers when other replicas compare themselves with it. */
  readonly digests: ReplicaDigests;
  readonly repairs: () => RepairTally;
  readonly control: Control;
  readonly isLeader: () => boolean;
}

export interface FederatorGround {
  readonly host: Host;
  readonly zone: Zone;
  readonly config: FederatorConfig;
  readonly catalog: Catalog;
  readonly store: ReplicaStore;
  readonly links: Links;
  readonly peers: () => Promise<ReadonlyMap<string, ReplicaDigests>>;
  readonly random: SeededRandom;
}

/** The name of the host is the id of its sessions: what stands in the catalog tells who wrote it. */
export function startFederator(ground: FederatorGround): SimulatedFederator {
  const { host, zone, config, store, links, peers, random } = ground;
  const { clock } = host;
  const outside = { catalog: ground.catalog, clock, random, log: silentLog };
  const replica = startReplica({ ...outside, store, acceptLargeRemovals: true });
  const catalog = guardCatalog(ground.catalog, replica);
  const ports = { ...outside, catalog };
  const { digests, repairs } = tendReplica({
    ...ports,
    state: replica.state,
    peers,
    compareIntervalMs: config.digestIntervalMs,
    scrubIntervalMs: config.scrubIntervalMs,
  });
  const control = startControl(
    config,
    { ...ports, links, lagMs: host.lagMs },
    replica,
    host.name,
    silentLog,
    { verdict: () => undefined, refusal: () => undefined, waveRefusal: () => undefined },
  );
  const { isLeader } = control.readings;
  return { host, zone, catalog, replica, digests, repairs, control, isLeader };
}
