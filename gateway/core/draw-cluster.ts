import type { Zone } from "#lib/contracts/zone.ts";
import { distanceKilometres } from "#lib/great-circle.ts";
import type { OriginShares } from "#lib/plan/plan-shares.ts";
import type { Random } from "#lib/ports/random.ts";

/** How the plan divides the calls of one origin. */
export interface Preference {
  readonly originZone: string;
  readonly clusters: OriginShares["clusters"];
  /** The plan turns some of their like away. */
  readonly isCrowded: boolean;
  /** The same throw always gives the same cluster, however busy it is. */
  readonly isSteady: boolean;
}

export interface Drawable {
  readonly zone: Zone;
  /** This gateway's attempts that are under way on it. */
  readonly inFlight: number;
}

/** Whose callers see no difference: 100 km are a millisecond there and back, in glass fibre. */
const NEIGHBOUR_KILOMETRES_MAX = 100;

/**
 * One is drawn by its share in the plan. Where it has neighbours with a share, a second is drawn among them and itself, and the less
 * busy for its share takes the call: a slow one is spared, and what lies further apart keeps its share. Decision 11 has the figures.
 * Where nothing usable has a share, the plan knows less than this gateway: then the nearest stays the first.
 */
export function drawnFirst<One extends Drawable>(
  nearestFirst: readonly One[],
  preference: Preference | undefined,
  random: Random,
): readonly One[] {
  if (preference === undefined) return nearestFirst;
  const first = draw(nearestFirst, preference, random);
  if (first === undefined) return nearestFirst;
  if (preference.isSteady) return withFirst(first, nearestFirst);
  const neighbours = nearestFirst.filter(
    (one) =>
      shareOf(one.zone, preference) > 0 &&
      distanceKilometres(one.zone, first.zone) <= NEIGHBOUR_KILOMETRES_MAX,
  );
  const second = neighbours.length > 1 ? draw(neighbours, preference, random) : undefined;
  const isSecondFreer =
    second !== undefined && burden(second, preference) < burden(first, preference);
  return withFirst(isSecondFreer ? second : first, nearestFirst);
}

const withFirst = <One>(first: One, all: readonly One[]): readonly One[] => [
  first,
  ...all.filter((one) => one !== first),
];

export const shareOf = ({ clusterId }: Zone, { clusters }: Preference): number =>
  clusters.find((one) => one.clusterId === clusterId)?.share ?? 0;

/** What is under way for its share, so that the small are not taken for the idle. */
const burden = ({ zone, inFlight }: Drawable, preference: Preference): number =>
  inFlight / shareOf(zone, preference);

function draw<One extends Drawable>(
  from: readonly One[],
  preference: Preference,
  random: Random,
): One | undefined {
  const shares = from.map(({ zone }) => shareOf(zone, preference));
  const sum = shares.reduce((total, share) => total + share, 0);
  if (sum === 0) return undefined;
  let mark = random.next() * sum;
  return from.find((_, index) => {
    const share = shares[index] ?? 0;
    mark -= share;
    return share > 0 && mark < 0;
  });
}
