import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ExtraObserver } from "#lib/ports/discovery.ts";
import { upForMs } from "../../core/verdicts/judge-cluster.ts";
import {
  type ClusterCase,
  judgeRejoin,
  type Surroundings,
} from "../../core/verdicts/judge-verdict.ts";
import {
  type Evidence,
  type ExtraWitness,
  hasHeardAll,
  isSeenUp,
  judgeOverlay,
  weighEvidence,
} from "../../core/verdicts/weigh-evidence.ts";
import type { Replica } from "../../ports.ts";
import type { Gossip } from "./gossip.ts";
import type { Probing } from "./probe-clusters.ts";
import type { TypedRecords } from "../typed-records.ts";

/** The name of the extra observer in the evidence of a verdict. */
const EXTRA_OBSERVER = "consul";

export interface HealthOptions {
  readonly zones: readonly Zone[];
  readonly replica: {
    readonly get: (key: string) => Pick<CatalogRecord, "modRevision"> | undefined;
    readonly list: (prefix: string) => readonly Pick<CatalogRecord, "modRevision">[];
    readonly position: Replica["position"];
  };
  readonly records: Pick<TypedRecords, "verdict" | "cluster" | "zoneSession">;
  readonly gossip: Gossip;
  readonly probing: Probing;
  readonly extraObserver?: ExtraObserver;
  /** What an extra observer said longer ago counts for nothing. */
  readonly evidenceMaxAgeMs: number;
  readonly clock: Clock;
  readonly canTakeOut: boolean;
}

export interface Health {
  /** Clusters that this zone's gateways must not use, whatever the catalog says; in order of their names. */
  readonly overlay: LatestValue<readonly string[]>;
  /** What is known of each cluster, as of the last time that it was weighed, for verdicts. */
  readonly cases: () => readonly ClusterCase[];
  readonly surroundings: () => Surroundings;
  /** With any news, and every 250 ms without: evidence changes also by growing old. */
  readonly weigh: () => void;
}

/** Weighs what all zones observe; needs no catalog to take a cluster out of this zone's tables. */
export function watchHealth(options: HealthOptions): Health {
  const { replica, records, gossip, probing, clock } = options;
  const zoneNames = options.zones.map(({ name }) => name);
  const startedAtMs = clock.nowMs();
  const overlay = latestValue<readonly string[]>([]);
  const standings = new Map<string, Standing>();
  let weighed: Weighed = { sightings: [], evidence: new Map() };

  const weigh = (): void => {
    const sightings = gossip.sightings();
    const evidence = evidenceOf(options, sightings);
    weighed = { sightings, evidence };
    for (const [clusterId, its] of evidence) {
      const verdictAt = verdictRevision(options, clusterId);
      const before = standings.get(clusterId);
      const known = before?.verdictAt === verdictAt ? before : undefined;
      const nowMs = clock.nowMs();
      standings.set(clusterId, {
        verdictAt,
        knownSinceMs: known?.knownSinceMs ?? nowMs,
        goodSinceMs: isSeenUp(its) ? (known?.goodSinceMs ?? nowMs) : undefined,
      });
    }
    if (!options.canTakeOut) return;
    const inService = [...evidence.keys()].filter((id) => records.verdict(id)?.state === "up");
    const next = judgeOverlay(evidence, inService);
    if (next.join() !== overlay.get().join()) overlay.set(next);
  };
  weigh();
  return {
    overlay,
    cases: () => describeCases(options, weighed, standings),
    surroundings: () => ({
      sessionRevisions: replica.list(prefixes.zoneSessions).map(({ modRevision }) => modRevision),
      hasHeardAll: hasHeardAll(
        weighed.sightings,
        zoneNames,
        Math.min(clock.nowMs() - startedAtMs, probing.awakeForMs()),
        options.evidenceMaxAgeMs,
      ),
    }),
    weigh,
  };
}

interface Weighed {
  readonly sightings: ReturnType<Gossip["sightings"]>;
  readonly evidence: ReadonlyMap<string, Evidence>;
}

/**
 * Under one and the same verdict: where news of a verdict comes before the evidence for it, the good time that went before must not
 * pass for the hold after it.
 */
interface Standing {
  readonly verdictAt: number;
  readonly knownSinceMs: number;
  /** Undefined while it does not look good. */
  readonly goodSinceMs: number | undefined;
}

const verdictRevision = ({ replica }: HealthOptions, clusterId: string): number =>
  replica.get(keys.verdict(clusterId))?.modRevision ?? 0;

function evidenceOf(
  { zones, extraObserver, evidenceMaxAgeMs }: HealthOptions,
  sightings: Weighed["sightings"],
): ReadonlyMap<string, Evidence> {
  const isFresh = extraObserver !== undefined && extraObserver.ageMs() <= evidenceMaxAgeMs;
  const views = isFresh ? extraObserver.views() : undefined;
  return new Map(
    zones.map(({ clusterId }) => {
      const view = views?.get(clusterId);
      const extra: ExtraWitness | undefined = view && { name: EXTRA_OBSERVER, view };
      return [clusterId, weighEvidence(sightings, clusterId, extra)];
    }),
  );
}

function describeCases(
  options: HealthOptions,
  { sightings, evidence }: Weighed,
  standings: ReadonlyMap<string, Standing>,
): readonly ClusterCase[] {
  const { zones, replica, records, probing, clock } = options;
  return zones.map(({ name, clusterId }) => {
    const own = probing.clusters().get(clusterId);
    const recordRevision = verdictRevision(options, clusterId);
    const standing = standings.get(clusterId);
    const current = standing?.verdictAt === recordRevision ? standing : undefined;
    const itsOwn = sightings.find(({ zone }) => zone === name);
    const sessionId = records.zoneSession(name)?.sessionId;
    return {
      clusterId,
      record: records.verdict(clusterId),
      recordRevision,
      evidence: evidence.get(clusterId) ?? { upZones: [], downZones: [] },
      knownForMs: current === undefined ? 0 : clock.nowMs() - current.knownSinceMs,
      goodSinceMs: current?.goodSinceMs,
      upForMs: own === undefined ? 0 : upForMs(own, clock.nowMs()),
      sessionRevision: replica.get(keys.zoneSession(name))?.modRevision ?? 0,
      sessionId,
      answersItsOwn:
        itsOwn !== undefined && itsOwn.bootId === sessionId && seesUp(itsOwn, clusterId),
      isQuarantined: records.cluster(clusterId)?.mode === "quarantined",
      rejoin: judgeRejoin(itsOwn?.agentAccepted, {
        incarnation: replica.position().incarnation,
        revision: recordRevision,
      }),
    };
  });
}

const seesUp = ({ clusters }: Weighed["sightings"][number], clusterId: string): boolean =>
  clusters.some((cluster) => cluster.clusterId === clusterId && cluster.view === "up");
