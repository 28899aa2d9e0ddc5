import type { Observation } from "#lib/contracts/zone-report.ts";

/** Zones that must agree before a cluster is taken out or brought back: one vantage point proves nothing. */
const ZONES_TO_AGREE = 2;
/** With fewer zones than this there is no witness and no verdict: gateways fail over by themselves. */
const ZONES_FOR_VERDICTS = 3;

/** Which zones hold a cluster to be up or down, now. */
export interface Evidence {
  readonly upZones: readonly string[];
  readonly downZones: readonly string[];
}

export const hasWitness = (zoneCount: number): boolean => zoneCount >= ZONES_FOR_VERDICTS;

/** Observations must be fresh: their age is the caller's business. Those that distrust themselves do not count. */
export function weighEvidence(observations: readonly Observation[], clusterId: string): Evidence {
  const zonesThatSee = (view: "up" | "down"): readonly string[] =>
    observations
      .filter(({ isQualified }) => isQualified)
      .filter(({ clusters }) =>
        clusters.some((cluster) => cluster.clusterId === clusterId && cluster.view === view),
      )
      .map(({ zone }) => zone)
      .toSorted();
  return { upZones: zonesThatSee("up"), downZones: zonesThatSee("down") };
}

/** Two zones at least, and more than hold the opposite. */
const isCarried = (supporters: readonly string[], opponents: readonly string[]): boolean =>
  supporters.length >= ZONES_TO_AGREE && supporters.length > opponents.length;

export const isSeenUp = ({ upZones, downZones }: Evidence): boolean =>
  isCarried(upZones, downZones);

/**
 * What a zone does not use, whatever its table says. Clusters that are out of service already stay in it, so that none slips
 * back between the overlay and the table that takes it over.
 */
export function judgeOverlay(
  evidence: ReadonlyMap<string, Evidence>,
  inService: readonly string[],
): readonly string[] {
  const outOfService = [...evidence]
    .filter(
      ([id, { upZones, downZones }]) => !inService.includes(id) && isCarried(downZones, upZones),
    )
    .map(([id]) => id);
  return [...judgeDowns(evidence, inService), ...outOfService].toSorted();
}

/** The clusters in service that evidence takes out, never all of them: the last one stays, whatever is said of it. */
export function judgeDowns(
  evidence: ReadonlyMap<string, Evidence>,
  inService: readonly string[],
): readonly string[] {
  const accused = inService.filter((clusterId) => {
    const { upZones = [], downZones = [] } = evidence.get(clusterId) ?? {};
    return isCarried(downZones, upZones);
  });
  if (accused.length < inService.length) return accused.toSorted();
  const weight = (clusterId: string): number => evidence.get(clusterId)?.downZones.length ?? 0;
  return accused
    .toSorted((one, other) => weight(one) - weight(other) || (one < other ? -1 : 1))
    .slice(1)
    .toSorted();
}
