import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { sightOf } from "../../core/verdicts/judge-cluster.ts";
import { isQualifiedObserver } from "../../core/verdicts/judge-observer.ts";
import type { RhythmLimits } from "../../core/verdicts/phi-accrual.ts";
import type { Probing } from "./probe-clusters.ts";
import type { Reports } from "./reports.ts";

export interface ObserverOptions {
  readonly zone: string;
  readonly bootId: string;
  readonly probing: Probing;
  /** The longest time this process did not come to its turn lately. */
  readonly lagMs: () => number;
  readonly limits: RhythmLimits;
  readonly eventLoopLagMaxMs: number;
  /** How long the observer must be well before its evidence counts again: every cluster was asked anew in that time. */
  readonly settleMs: number;
  readonly clock: Clock;
  /** What the federation has taken out already, and does not count on. */
  readonly isOut: (clusterId: string) => boolean;
  /** Which tables the zone's gateways and agent have in force. */
  readonly standing: () => Pick<Observation, "accepted" | "refused" | "agentAccepted">;
  readonly demand: () => ReadonlyMap<string, number>;
  /** What the plan is made from, of this zone. */
  readonly load: Reports["load"];
  readonly arms: Reports["arms"];
  /** How many records the zone serves that a restored catalog lost; absent where that is never asked. */
  readonly strandedRecords?: () => number;
}

/** What this federator sees, as of each call. */
export interface OwnView {
  /** What evidence is made of. */
  readonly sighting: () => Pick<
    Observation,
    "zone" | "bootId" | "isQualified" | "clusters" | "agentAccepted"
  >;
  /** All that the others are told. */
  readonly observation: () => Omit<Observation, "sequence" | "sentAtMs">;
}

export function ownView(options: ObserverOptions): OwnView {
  const { zone, bootId, clock, probing } = options;
  let wasIllAtMs = Number.NEGATIVE_INFINITY;

  // Its targets come back one by one: in between, the last one must not look like the only one that is down.
  const isQualified = (): boolean => {
    const counted = [...probing.clusters()].filter(([clusterId]) => !options.isOut(clusterId));
    const isWell = isQualifiedObserver(
      counted.map(([, state]) => sightOf(state, options.limits)),
      { lagMs: options.lagMs(), awakeForMs: probing.awakeForMs() },
      { lagMaxMs: options.eventLoopLagMaxMs, settleMs: options.settleMs },
    );
    if (!isWell) wasIllAtMs = clock.nowMs();
    return clock.nowMs() - wasIllAtMs >= options.settleMs;
  };

  const sighting = () => ({
    zone,
    bootId,
    isQualified: isQualified(),
    clusters: Array.from(probing.clusters(), ([clusterId, { view, sinceMs }]) => ({
      clusterId,
      view,
      sinceMs: Math.max(0, Math.round(clock.nowMs() - sinceMs)),
    })),
    ...options.standing(),
  });
  return {
    sighting,
    observation: () => {
      const arms = options.arms();
      const strandedRecords = options.strandedRecords?.() ?? 0;
      return {
        ...sighting(),
        demand: Array.from(options.demand(), ([tenant, requestsPerSecond]) => ({
          tenant,
          requestsPerSecond,
        })),
        ...options.load(),
        ...(arms.length > 0 && { arms: [...arms] }),
        ...(strandedRecords > 0 && { strandedRecords }),
      };
    },
  };
}
