import type { AliasRecord } from "#lib/contracts/catalog-records.ts";

interface Share {
  readonly version: number;
  readonly percent: number;
}

/** `6 (90 %), 7 (10 %)`, or `6` of a version that has no other beside it. */
export const describeSplit = (shares: readonly Share[]): string =>
  shares.length === 1
    ? String(shares[0]?.version)
    : shares.map(({ version, percent }) => `${version} (${percent} %)`).join(", ");

/** An alias' versions, its own first. */
export function describeShares({ version, additionalVersions = [] }: AliasRecord): string {
  const taken = additionalVersions.reduce((sum, { percent }) => sum + percent, 0);
  return describeSplit([{ version, percent: 100 - taken }, ...additionalVersions]);
}
