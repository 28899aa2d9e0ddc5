import { Counter, type Registry } from "prom-client";
import { showGauge } from "./show-gauge.ts";

const MS_PER_SECOND = 1_000;

/** What can be read at any time. */
export interface FederatorReadings {
  readonly replicaRevision: () => number;
  readonly replicaAgeMs: () => number;
  readonly heldBackFunctions: () => number;
  readonly receivers: () => number;
  readonly overlayClusters: () => number;
  /** By this federator's own probes. */
  readonly clustersSeenDown: () => number;
  readonly isLeader: () => boolean;
  /** How full the fullest member of the catalog's etcd is, from 0 to 1; known to the leader. */
  readonly catalogFullShare: () => number;
}

export interface FederatorCounters {
  readonly verdict: (state: "up" | "down") => void;
  readonly refusal: () => void;
  /** A table that changes much goes to nobody else. */
  readonly waveRefusal: () => void;
}

export const federatorCounters = (registry: Registry): FederatorCounters => {
  const verdicts = new Counter({
    name: "meridian_verdicts_total",
    help: "Verdicts this federator wrote",
    labelNames: ["state"],
    registers: [registry],
  });
  const refusals = new Counter({
    name: "meridian_feed_refusals_total",
    help: "Tables that a gateway or agent turned down",
    registers: [registry],
  });
  const waveRefusals = new Counter({
    name: "meridian_feed_waves_refused_total",
    help: "Tables that change much and were stopped before all receivers had them",
    registers: [registry],
  });
  return {
    verdict: (state) => verdicts.inc({ state }),
    refusal: () => refusals.inc(),
    waveRefusal: () => waveRefusals.inc(),
  };
};

export function registerReadings(registry: Registry, readings: FederatorReadings): void {
  const show = (name: string, help: string, read: () => number): void =>
    showGauge(registry, name, help, read);
  show(
    "meridian_replica_revision",
    "Revision of the catalog that this zone has",
    readings.replicaRevision,
  );
  show(
    "meridian_replica_age_seconds",
    "Since the catalog was last heard",
    () => readings.replicaAgeMs() / MS_PER_SECOND,
  );
  show(
    "meridian_catalog_full_ratio",
    "How full the fullest member of the catalog's etcd is, as the leader last saw it",
    readings.catalogFullShare,
  );
  show(
    "meridian_replica_held_back_functions",
    "Functions that the catalog lost and this zone keeps until an operator decides",
    readings.heldBackFunctions,
  );
  show("meridian_feed_receivers", "Gateways and agents that follow the feed", readings.receivers);
  show("meridian_overlay_clusters", "Clusters this zone does not use", readings.overlayClusters);
  show(
    "meridian_clusters_seen_down",
    "Clusters that do not answer this federator's own probes",
    readings.clustersSeenDown,
  );
  show("meridian_is_leader", "1 where the leader is", () => (readings.isLeader() ? 1 : 0));
}
