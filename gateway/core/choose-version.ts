import type { FunctionRoute, RouteSplit } from "#lib/contracts/route-table.ts";
import type { Random } from "#lib/ports/random.ts";

/** What a rollout counts a call as. */
export interface RolloutMark {
  readonly rolloutId: string;
  readonly step: string;
  readonly arm: "canary" | "control";
}

export interface VersionChoice {
  readonly version: number;
  /** Undefined for calls that no rollout counts. */
  readonly mark: RolloutMark | undefined;
}

/** A version behind an alias, and its share of the calls that enter in one zone. */
export interface VersionShare {
  readonly version: number;
  readonly percent: number;
  readonly rolloutId?: string;
}

/** The shares that enter here, the alias' own version first; a single one of 100 % where nothing is split. */
export function sharesOf(route: FunctionRoute, alias: string, zone: string): VersionShare[] {
  const main = route.aliases[alias];
  if (main === undefined) return [];
  const splits = splitsOf(route, alias);
  const further = splits.map(({ version, rolloutId, ...split }) => ({
    version,
    percent: percentIn(split, zone),
    ...(rolloutId !== undefined && { rolloutId }),
  }));
  const taken = further.reduce((sum, { percent }) => sum + percent, 0);
  return [{ version: main, percent: Math.max(0, 100 - taken) }, ...further];
}

/**
 * The version that one call gets, by one draw. While a rollout runs, the same draw makes the control: as many calls of the old version
 * as the new one takes, or what is left of them. Which of the two a call is in depends on nothing but chance, so that every difference
 * between them is the versions' own.
 */
export function chooseVersion(
  route: FunctionRoute,
  alias: string,
  zone: string,
  random: Random,
): VersionChoice | undefined {
  const main = route.aliases[alias];
  if (main === undefined) return undefined;
  const splits = splitsOf(route, alias);
  if (splits.length === 0) return { version: main, mark: undefined };

  const draw = random.next() * 100;
  let upTo = 0;
  for (const split of splits) {
    const percent = percentIn(split, zone);
    upTo += percent;
    if (draw < upTo) return { version: split.version, mark: markOf(split, "canary") };
    if (draw < upTo + percent) {
      const mark = markOf(split, "control");
      if (mark !== undefined) return { version: main, mark };
    }
  }
  return { version: main, mark: undefined };
}

/** Versions that the entry lacks take no calls. */
const splitsOf = ({ splits, versions }: FunctionRoute, alias: string): readonly RouteSplit[] =>
  splits?.[alias]?.filter((split) => versions.some(({ version }) => version === split.version)) ??
  [];

const percentIn = (split: Pick<RouteSplit, "percent" | "zonePercent">, zone: string): number =>
  split.zonePercent?.[zone] ?? split.percent;

const markOf = (
  { rolloutId, step }: RouteSplit,
  arm: RolloutMark["arm"],
): RolloutMark | undefined =>
  rolloutId === undefined || step === undefined ? undefined : { rolloutId, step, arm };
