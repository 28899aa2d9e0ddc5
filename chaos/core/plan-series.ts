import type { LoadSeries } from "#lib/contracts/drill-load.ts";

export interface FederationDoors {
  /** The one address that every gateway shares. */
  readonly endpoint: string;
  readonly gateways: readonly { readonly zone: string; readonly url: string }[];
}

export interface LedgerFunctions {
  readonly idempotent: string;
  readonly once: string;
}

/** One series through the shared address and one through each gateway, each to both kinds of function. */
export function planSeries(doors: FederationDoors, functions: LedgerFunctions): LoadSeries[] {
  const addresses = [
    { name: "base", endpoint: doors.endpoint, gatewayZone: null },
    ...doors.gateways.map(({ zone, url }) => ({ name: zone, endpoint: url, gatewayZone: zone })),
  ];
  return addresses.flatMap((address) => [
    {
      ...address,
      name: `${address.name}-idempotent`,
      functionName: functions.idempotent,
      isIdempotent: true,
    },
    { ...address, name: `${address.name}-once`, functionName: functions.once, isIdempotent: false },
  ]);
}
