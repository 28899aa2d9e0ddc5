import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";

export interface FederatorAddress {
  readonly zone: string;
  readonly url: string;
}

/** Every federator that can be asked, in the order in which they are listed. */
export const federatorAddresses = (
  endpoints: readonly RunEndpoint[],
): readonly FederatorAddress[] =>
  endpoints.flatMap(({ program, zone, urls }) =>
    program === "federator" && zone !== null && urls.internal !== undefined
      ? [{ zone, url: urls.internal }]
      : [],
  );

/** That of the home zone before the others. */
export const federatorsNearestFirst = (
  endpoints: readonly RunEndpoint[],
  home: string,
): readonly FederatorAddress[] =>
  federatorAddresses(endpoints).toSorted(
    (one, other) => Number(other.zone === home) - Number(one.zone === home),
  );

/** Where the zone's own federator is; undefined while that is not known. */
export const federatorUrlOf = (
  endpoints: readonly RunEndpoint[],
  zone: string,
): string | undefined => federatorAddresses(endpoints).find((one) => one.zone === zone)?.url;
