import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";

/** Where the programs of a federation find each other. Contract: test/contract/discovery.contract.ts. */
export interface Discovery {
  /**
   * Every program that is known, at most one of each kind in a zone but for gateways. Answers at once, from memory or from this
   * machine's disk, and never throws: with the directory it was learnt from gone, what was known last is known still.
   */
  readonly list: () => Promise<readonly RunEndpoint[]>;
}

/** A discovery that also lets this program be found. */
export interface OpenDiscovery extends Discovery {
  /** Lets the others find this program, from now on and as long as it is open; does not wait for a directory that is away. */
  readonly announce: (endpoint: RunEndpoint) => Promise<void>;
  /** What the directory itself says of the clusters' health, where it does. */
  readonly observer?: ExtraObserver;
  /** Takes this program out of the directory again. */
  readonly close: () => Promise<void>;
}

/** Somebody outside the federation who watches its clusters: never enough alone, and never against the federators' own probes. */
export interface ExtraObserver {
  /** By cluster, for clusters of which it says anything. */
  readonly views: () => ReadonlyMap<string, "up" | "down">;
  /** Since these were heard; infinite before the first time. */
  readonly ageMs: () => number;
}
