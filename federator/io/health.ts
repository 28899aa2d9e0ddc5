import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { isQualifiedObserver, upForMs } from "../core/judge-cluster.ts";
import type { ClusterCase } from "../core/judge-verdict.ts";
import { isSeenUp, judgeOverlay, weighEvidence } from "../core/weigh-evidence.ts";
import type { Replica } from "../ports.ts";
import type { EventLoopLag } from "./event-loop-lag.ts";
import type { Gossip } from "./gossip.ts";
import type { Probing } from "./probe-clusters.ts";
import type { TypedRecords } from "./typed-records.ts";

/** Evidence also changes by growing old: it is weighed again so often without any news. */
const WEIGH_INTERVAL_MS = 250;

export interface HealthOptions {
  readonly zones: readonly Zone[];
  readonly replica: Replica;
  readonly records: TypedRecords;
  readonly gossip: Gossip;
  readonly probing: Probing;
  readonly clock: Clock;
  readonly canTakeOut: boolean;
}

export interface Health {
  /** Clusters that this zone's gateways must not use, whatever the catalog says; in order of their names. */
  readonly overlay: LatestValue<readonly string[]>;
  /** What is known of each cluster now, for verdicts. */
  readonly cases: () => readonly ClusterCase[];
  /** The revisions that wrote the sessions of the federators that are alive. */
  readonly sessionRevisions: () => readonly number[];
  /** There is news: weigh it now. */
  readonly weigh: () => void;
  readonly close: () => void;
}

/** Weighs what all zones observe; needs no catalog to take a cluster out of this zone's tables. */
export function watchHealth(options: HealthOptions): Health {
  const { zones, replica, records, gossip, probing, clock } = options;
  const overlay = latestValue<readonly string[]>([]);
  const goodSinceMs = new Map<string, number>();

  const evidenceNow = () => {
    const observations = gossip.observations();
    return new Map(
      zones.map(({ clusterId }) => [clusterId, weighEvidence(observations, clusterId)]),
    );
  };
  const weigh = (): void => {
    const evidence = evidenceNow();
    for (const [clusterId, its] of evidence) {
      if (!isSeenUp(its)) goodSinceMs.delete(clusterId);
      else if (!goodSinceMs.has(clusterId)) goodSinceMs.set(clusterId, clock.nowMs());
    }
    if (!options.canTakeOut) return;
    const inService = [...evidence.keys()].filter((id) => records.verdict(id)?.state === "up");
    const next = judgeOverlay(evidence, inService);
    if (next.join() !== overlay.get().join()) overlay.set(next);
  };
  const timer = setInterval(weigh, WEIGH_INTERVAL_MS);

  return {
    overlay,
    cases: () => {
      const nowMs = clock.nowMs();
      return [...evidenceNow()].map(([clusterId, evidence]) => {
        const own = probing.clusters().get(clusterId);
        return {
          clusterId,
          record: records.verdict(clusterId),
          recordRevision: replica.get(keys.verdict(clusterId))?.modRevision ?? 0,
          evidence,
          goodSinceMs: goodSinceMs.get(clusterId),
          upForMs: own === undefined ? 0 : upForMs(own, nowMs),
        };
      });
    },
    sessionRevisions: () =>
      replica.list(prefixes.zoneSessions).map(({ modRevision }) => modRevision),
    weigh,
    close: () => clearInterval(timer),
  };
}

export interface ObserverOptions {
  readonly zone: string;
  readonly bootId: string;
  readonly probing: Probing;
  readonly lag: EventLoopLag;
  readonly eventLoopLagMaxMs: number;
  readonly clock: Clock;
  readonly demand: () => ReadonlyMap<string, number>;
}

/** What this federator tells the others. */
export function describeOwnView(options: ObserverOptions): Omit<Observation, "sequence"> {
  const { zone, bootId, clock } = options;
  const states = [...options.probing.clusters()];
  return {
    zone,
    bootId,
    isQualified: isQualifiedObserver(
      states.map(([, { view }]) => view),
      options.lag.lagMs(),
      options.eventLoopLagMaxMs,
    ),
    clusters: states.map(([clusterId, { view, sinceMs }]) => ({
      clusterId,
      view,
      sinceMs: Math.max(0, Math.round(clock.nowMs() - sinceMs)),
    })),
    demand: [...options.demand()].map(([tenant, requestsPerSecond]) => ({
      tenant,
      requestsPerSecond,
    })),
  };
}
