import { join } from "node:path";
import type { Logger } from "pino";
import type { ZoneStatus } from "#lib/contracts/api-status.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { FederatorConfig } from "../../config.ts";
import { type CatalogDesk, openCatalogDesk } from "./catalog-desk.ts";
import { internalUrls, otherZones } from "../federation.ts";
import { guardCatalog } from "./guard-catalog.ts";
import type { RepairTally } from "./repair-records.ts";
import { replicaPeers } from "./replica-peers.ts";
import type { ReplicaRoutes } from "./replica-routes.ts";
import { type RunningReplica, startReplica } from "./replica.ts";
import { openReplicaStore } from "./sqlite-replica-store.ts";
import { tendReplica } from "./tend-replica.ts";

export interface KeepReplicaPorts {
  readonly catalog: Catalog;
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly random: Random;
}

export interface KeptReplica {
  readonly replica: RunningReplica;
  /** For everybody else: see `guardCatalog`. */
  readonly catalog: Catalog;
  readonly routes: ReplicaRoutes;
  readonly desk: CatalogDesk;
  readonly repairs: () => RepairTally;
  /** For the zone's status; undefined while there are none. */
  readonly troubles: () => ZoneStatus["replicaTroubles"];
  readonly close: () => Promise<void>;
}

/** The zone's replica on its disk, what keeps it in order, and what an operator can decide on it. */
export async function keepReplica(
  config: FederatorConfig,
  ports: KeepReplicaPorts,
  log: Logger,
): Promise<KeptReplica> {
  const { catalog, discovery, client, clock } = ports;
  const { zone, zones, acceptLargeRemovals } = config;
  const file = join(config.stateDirectory, "replica.sqlite");
  const store = await openReplicaStore(file, log, (cause) => {
    // Whoever was reading cannot go on; the supervisor starts this program again, with a new copy.
    setImmediate(() => {
      throw new Error(`${file} is damaged`, { cause });
    });
  });
  const replica = startReplica({ ...ports, store, log, acceptLargeRemovals });
  const guarded = guardCatalog(catalog, replica);
  const peers = () => internalUrls(discovery, "federator", otherZones(zones, zone));
  const tending = tendReplica({
    catalog: guarded,
    state: replica.state,
    peers: replicaPeers(peers, client),
    clock,
    log,
    compareIntervalMs: config.digestIntervalMs,
    scrubIntervalMs: config.scrubIntervalMs,
  });
  const { digests, repairs } = tending;
  const desk = openCatalogDesk({ zone, catalog, guarded, replica, repairs, clock, log });
  return {
    replica,
    catalog: guarded,
    routes: { digests, catalogDesk: desk },
    desk,
    repairs,
    troubles: () => troublesOf(replica, repairs()),
    close: async () => {
      await tending.close();
      await replica.close();
    },
  };
}

function troublesOf(
  replica: RunningReplica,
  { byDigest, byScrub }: RepairTally,
): ZoneStatus["replicaTroubles"] {
  const troubles = {
    strandedRecords: replica.stranded().count,
    heldBackFunctions: replica.heldBack()?.removed ?? 0,
    catalogRefused: replica.refusal()?.code ?? null,
    repairedRecords: byDigest + byScrub,
  };
  const { strandedRecords, heldBackFunctions, catalogRefused, repairedRecords } = troubles;
  const isWell =
    strandedRecords + heldBackFunctions + repairedRecords === 0 && catalogRefused === null;
  return isWell ? undefined : troubles;
}
