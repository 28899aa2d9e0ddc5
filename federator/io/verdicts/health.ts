import type { Logger } from "pino";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ExtraObserver } from "#lib/ports/discovery.ts";
import { upForMs } from "../../core/verdicts/judge-cluster.ts";
import { type ClusterCase, judgeRejoin } from "../../core/verdicts/judge-verdict.ts";
import {
  type Evidence,
  type ExtraWitness,
  isSeenUp,
  judgeOverlay,
  weighEvidence,
} from "../../core/verdicts/weigh-evidence.ts";
import type { Replica } from "../../ports.ts";
import type { Gossip } from "./gossip.ts";
import type { Probing } from "./probe-clusters.ts";
import { runLoop } from "../run-loop.ts";
import type { TypedRecords } from "../typed-records.ts";

/** Evidence also changes by growing old: it is weighed again so often without any news. */
const WEIGH_INTERVAL_MS = 250;
/** The name of the extra observer in the evidence of a verdict. */
const EXTRA_OBSERVER = "consul";

export interface HealthOptions {
  readonly zones: readonly Zone[];
  readonly replica: {
    readonly get: (key: string) => Pick<CatalogRecord, "modRevision"> | undefined;
    readonly list: (prefix: string) => readonly Pick<CatalogRecord, "modRevision">[];
    readonly position: Replica["position"];
  };
  readonly records: Pick<TypedRecords, "verdict">;
  readonly gossip: Gossip;
  readonly probing: Probing;
  readonly extraObserver?: ExtraObserver;
  /** What an extra observer said longer ago counts for nothing. */
  readonly evidenceMaxAgeMs: number;
  readonly clock: Clock;
  readonly log: Logger;
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
  readonly close: () => Promise<void>;
}

/** Weighs what all zones observe; needs no catalog to take a cluster out of this zone's tables. */
export function watchHealth(options: HealthOptions): Health {
  const { replica, records, gossip, clock, log } = options;
  const overlay = latestValue<readonly string[]>([]);
  const goodTimes = new Map<string, GoodTime>();
  const closing = new AbortController();

  const weigh = (): void => {
    const evidence = evidenceOf(options, gossip.observations());
    for (const [clusterId, its] of evidence) {
      const verdictAt = verdictRevision(options, clusterId);
      if (!isSeenUp(its)) goodTimes.delete(clusterId);
      else if (goodTimes.get(clusterId)?.verdictAt !== verdictAt)
        goodTimes.set(clusterId, { sinceMs: clock.nowMs(), verdictAt });
    }
    if (!options.canTakeOut) return;
    const inService = [...evidence.keys()].filter((id) => records.verdict(id)?.state === "up");
    const next = judgeOverlay(evidence, inService);
    if (next.join() !== overlay.get().join()) overlay.set(next);
  };
  const loop = runLoop(
    { name: "weigh evidence", intervalMs: WEIGH_INTERVAL_MS, clock, log, signal: closing.signal },
    weigh,
  );

  return {
    overlay,
    cases: () => describeCases(options, goodTimes),
    sessionRevisions: () =>
      replica.list(prefixes.zoneSessions).map(({ modRevision }) => modRevision),
    weigh,
    close: async () => {
      closing.abort(new Error("health is no longer watched"));
      await loop.ended;
    },
  };
}

/**
 * Since when a cluster looks good, under one and the same verdict: where news of a verdict comes before the evidence for it, the
 * good time that went before must not pass for the hold after it.
 */
interface GoodTime {
  readonly sinceMs: number;
  readonly verdictAt: number;
}

const verdictRevision = ({ replica }: HealthOptions, clusterId: string): number =>
  replica.get(keys.verdict(clusterId))?.modRevision ?? 0;

function evidenceOf(
  { zones, extraObserver, evidenceMaxAgeMs }: HealthOptions,
  observations: readonly Observation[],
): ReadonlyMap<string, Evidence> {
  const isFresh = extraObserver !== undefined && extraObserver.ageMs() <= evidenceMaxAgeMs;
  const views = isFresh ? extraObserver.views() : undefined;
  return new Map(
    zones.map(({ clusterId }) => {
      const view = views?.get(clusterId);
      const extra: ExtraWitness | undefined = view && { name: EXTRA_OBSERVER, view };
      return [clusterId, weighEvidence(observations, clusterId, extra)];
    }),
  );
}

function describeCases(
  options: HealthOptions,
  goodTimes: ReadonlyMap<string, GoodTime>,
): readonly ClusterCase[] {
  const { zones, replica, records, probing, clock } = options;
  const observations = options.gossip.observations();
  const evidence = evidenceOf(options, observations);
  return zones.map(({ name, clusterId }) => {
    const own = probing.clusters().get(clusterId);
    const recordRevision = verdictRevision(options, clusterId);
    const good = goodTimes.get(clusterId);
    const agentAccepted = observations.find(({ zone }) => zone === name)?.agentAccepted;
    return {
      clusterId,
      record: records.verdict(clusterId),
      recordRevision,
      evidence: evidence.get(clusterId) ?? { upZones: [], downZones: [] },
      goodSinceMs: good?.verdictAt === recordRevision ? good.sinceMs : undefined,
      upForMs: own === undefined ? 0 : upForMs(own, clock.nowMs()),
      sessionRevision: replica.get(keys.zoneSession(name))?.modRevision ?? 0,
      rejoin: judgeRejoin(agentAccepted, {
        incarnation: replica.position().incarnation,
        revision: recordRevision,
      }),
    };
  });
}
