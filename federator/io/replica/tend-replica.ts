import type { Logger } from "pino";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { compareDigests } from "./compare-digests.ts";
import { recordRepairer, type RepairTally } from "./repair-records.ts";
import { type ReplicaDigests, replicaDigests } from "./replica-digests.ts";
import type { ReplicaState } from "./replica-state.ts";
import { runLoop } from "../run-loop.ts";
import { scrubCatalog } from "./scrub-catalog.ts";

export interface ReplicaTendingOptions {
  readonly catalog: Catalog;
  readonly state: ReplicaState;
  readonly peers: () => Promise<ReadonlyMap<string, ReplicaDigests>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the digests are compared with those of the other zones. */
  readonly compareIntervalMs: number;
  /** How often a page of the catalog is compared with the records, and as many records with their digests. */
  readonly scrubIntervalMs: number;
}

export interface ReplicaTending {
  /** What this zone answers when it is compared. */
  readonly digests: ReplicaDigests;
  readonly repairs: () => RepairTally;
  readonly close: () => Promise<void>;
}

/** Looks for records that are not those of the catalog, however they came about, and puts them right. */
export function tendReplica(options: ReplicaTendingOptions): ReplicaTending {
  const { state, clock, log } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const repairer = recordRepairer(state, clock, log);
  const digests = replicaDigests(state);
  const loops = [
    compareDigests(
      { ...options, own: digests, repairer, intervalMs: options.compareIntervalMs },
      signal,
    ),
    scrubCatalog({ ...options, repairer, intervalMs: options.scrubIntervalMs }, signal),
    runLoop(
      { name: "verify digests", intervalMs: options.scrubIntervalMs, clock, log, signal },
      () => verify(state, log),
    ),
  ];
  return {
    digests,
    repairs: repairer.tally,
    close: async () => {
      closing.abort(new Error("the replica is closed"));
      await Promise.all(loops.map(({ ended }) => ended));
    },
  };
}

async function verify(state: ReplicaState, log: Logger): Promise<void> {
  const { isDone, differing } = await state.exclusively(async () => {
    const step = await state.run("verifyStep");
    if (step.isDone) state.remember();
    return step;
  });
  if (isDone && differing > 0)
    log.error(
      { buckets: differing, position: state.cursor() },
      "the digests were not those of the records on the disk, and were made anew",
    );
}
