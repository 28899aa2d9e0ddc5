import type { RolloutRecord } from "#lib/contracts/catalog-records.ts";

/** Where a rollout stands: the zones before the one that moves have the new version, those after it the old one. */
type Progress = Pick<RolloutRecord, "zones" | "stepPercents" | "zoneIndex" | "stepIndex">;

/** The new version's share of the calls that enter in each zone, in percent; a zone that is not named has 0. */
export function zonePercents(rollout: Progress): Record<string, number> {
  const { zones, zoneIndex } = rollout;
  return Object.fromEntries(
    zones
      .slice(0, zoneIndex + 1)
      .map((zone, index) => [zone, index < zoneIndex ? 100 : canaryPercent(rollout)]),
  );
}

/** What gateways count calls under: unlike any other step of the rollout. */
export const stepName = ({ zoneIndex, stepIndex }: Progress): string => `${zoneIndex}.${stepIndex}`;

/** The zone that moves now. */
export const movingZone = ({ zones, zoneIndex }: Progress): string => zones[zoneIndex] ?? "";

export const canaryPercent = ({ stepPercents, stepIndex }: Progress): number =>
  stepPercents[stepIndex] ?? 100;
