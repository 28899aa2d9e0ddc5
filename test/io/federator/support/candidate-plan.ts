import type { CatalogConfig } from "#lib/contracts/catalog-config.ts";

export const WORK_KEY = "trial/work";

/** What a candidate's process is told, as JSON in its first argument. */
export interface CandidatePlan {
  readonly zone: string;
  readonly sessionId: string;
  readonly ttlMs: number;
  /** A decision is written at most so much later, if nothing happens in between. */
  readonly thinksMaxMs: number;
  /** A mistake on purpose: its writes do not compare the token. */
  readonly isUnfenced: boolean;
  readonly catalog: CatalogConfig;
  /** Of the embedded catalog. */
  readonly catalogUrl?: string;
  readonly bootToken: string;
}

/** The value under `WORK_KEY`: who wrote, and as the leader of which election. */
export interface Deed {
  readonly sessionId: string;
  readonly token: number;
}
