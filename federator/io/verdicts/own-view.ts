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
}

/** What this federator tells the others, as of each call. */
export function ownView(
  options: ObserverOptions,
): () => Omit<Observation, "sequence" | "sentAtMs"> {
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

  return () => {
    const arms = options.arms();
    return {
      zone,
      bootId,
      isQualified: isQualified(),
      clusters: [...probing.clusters()].map(([clusterId, { view, sinceMs }]) => ({
        clusterId,
        view,
        sinceMs: Math.max(0, Math.round(clock.nowMs() - sinceMs)),
      })),
      demand: [...options.demand()].map(([tenant, requestsPerSecond]) => ({
        tenant,
        requestsPerSecond,
      })),
      ...options.load(),
      ...options.standing(),
      ...(arms.length > 0 && { arms: [...arms] }),
    };
  };
}
