import type { IsolationLevel, NetworkAccess } from "#lib/contracts/isolation.ts";

/*
 * The one rule of isolation, for gateways, federators and agents alike: a version runs only where its level is proved, and where
 * nothing is proved yet nothing is, but for `L0`, which asks for nothing.
 */

/** What of a manifest says which clusters are good enough. */
export interface IsolationWish {
  readonly minIsolation?: IsolationLevel | undefined;
  readonly network?: NetworkAccess | undefined;
}

/** A network of its own needs a namespace, which `L2` is the first to have. */
const NO_NETWORK_LEVEL: IsolationLevel = "L2";

export function requiredLevel({ minIsolation = "L0", network }: IsolationWish): IsolationLevel {
  return network === "none" && minIsolation < NO_NETWORK_LEVEL ? NO_NETWORK_LEVEL : minIsolation;
}

/** Levels are in the order of their names. */
export const isProved = (required: IsolationLevel, proved: IsolationLevel | undefined): boolean =>
  required === "L0" || (proved !== undefined && proved >= required);

/** `L2`, or that nothing was proved yet; for sentences. */
export const describeLevel = (proved: IsolationLevel | undefined): string =>
  proved ?? "nothing yet";
