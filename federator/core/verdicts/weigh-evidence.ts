import type { Observation } from "#lib/contracts/zone-report.ts";

/** Zones that must agree before a cluster is taken out or brought back: one vantage point proves nothing. */
const ZONES_TO_AGREE = 2;
/** With fewer zones than this there is no witness and no verdict: gateways fail over by themselves. */
const ZONES_FOR_VERDICTS = 3;

/** Of the age at which evidence counts no more: in so long a time, whoever is there was heard, though one message was lost. */
const LISTENING_AGES = 2;

/** Which zones hold a cluster to be up or down, now; and what an observer outside the federation says, where there is one. */
export interface Evidence {
  readonly upZones: readonly string[];
  readonly downZones: readonly string[];
  readonly extra?: ExtraWitness;
}

/** The second witness at most: it supports what a federator has seen itself, and outvotes nobody. */
export interface ExtraWitness {
  readonly name: string;
  readonly view: "up" | "down";
}

export const hasWitness = (zoneCount: number): boolean => zoneCount >= ZONES_FOR_VERDICTS;

/** What a zone says of the clusters, and of itself as their observer. */
export type Sighting = Pick<Observation, "zone" | "isQualified" | "clusters">;

/** Sightings must be fresh: their age is the caller's business. Those that distrust themselves do not count. */
export function weighEvidence(
  sightings: readonly Sighting[],
  clusterId: string,
  extra?: ExtraWitness,
): Evidence {
  const upZones: string[] = [];
  const downZones: string[] = [];
  for (const { zone, isQualified, clusters } of sightings) {
    if (!isQualified) continue;
    const view = clusters.find((cluster) => cluster.clusterId === clusterId)?.view;
    if (view === "up") upZones.push(zone);
    else if (view === "down") downZones.push(zone);
  }
  const zones = { upZones: upZones.toSorted(), downZones: downZones.toSorted() };
  return extra === undefined ? zones : { ...zones, extra };
}

/** Every zone trusts itself and is heard; or this observer has listened for so long that who is not heard is not there. */
export const hasHeardAll = (
  sightings: readonly Sighting[],
  zones: readonly string[],
  listeningForMs: number,
  evidenceMaxAgeMs: number,
): boolean =>
  listeningForMs >= LISTENING_AGES * evidenceMaxAgeMs ||
  zones.every((name) => sightings.some(({ zone, isQualified }) => zone === name && isQualified));

/** Who holds the cluster to be so: the zones, and the extra observer behind them. */
export function witnesses(evidence: Evidence, view: "up" | "down"): readonly string[] {
  const zones = view === "up" ? evidence.upZones : evidence.downZones;
  return evidence.extra?.view === view ? [...zones, evidence.extra.name] : zones;
}

/** More zones than hold the opposite, by their own probes; and two witnesses at least, of which one may be the extra observer. */
function isCarried(evidence: Evidence, view: "up" | "down"): boolean {
  const { upZones, downZones } = evidence;
  const [supporters, opponents] = view === "up" ? [upZones, downZones] : [downZones, upZones];
  return supporters.length > opponents.length && witnesses(evidence, view).length >= ZONES_TO_AGREE;
}

export const isSeenUp = (evidence: Evidence): boolean => isCarried(evidence, "up");

/**
 * What a zone does not use, whatever its table says. Clusters that are out of service already stay in it, so that none slips
 * back between the overlay and the table that takes it over.
 */
export function judgeOverlay(
  evidence: ReadonlyMap<string, Evidence>,
  inService: readonly string[],
): readonly string[] {
  const outOfService = [...evidence]
    .filter(([id, its]) => !inService.includes(id) && isCarried(its, "down"))
    .map(([id]) => id);
  return [...judgeDowns(evidence, inService), ...outOfService].toSorted();
}

/** The clusters in service that evidence takes out, never all of them: the last one stays, whatever is said of it. */
export function judgeDowns(
  evidence: ReadonlyMap<string, Evidence>,
  inService: readonly string[],
): readonly string[] {
  const accused = inService.filter((clusterId) => {
    const its = evidence.get(clusterId);
    return its !== undefined && isCarried(its, "down");
  });
  if (accused.length < inService.length) return accused.toSorted();
  const weight = (clusterId: string): number => evidence.get(clusterId)?.downZones.length ?? 0;
  return accused
    .toSorted((one, other) => weight(one) - weight(other) || (one < other ? -1 : 1))
    .slice(1)
    .toSorted();
}
