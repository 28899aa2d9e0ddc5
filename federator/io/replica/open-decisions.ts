import { MeridianError } from "#lib/errors.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Gossip } from "../verdicts/gossip.ts";
import type { RunningReplica } from "./replica.ts";

/** How long a change waits until the catalog that is there was judged, and a restored one compared with what is here. */
const JUDGE_TIMEOUT_MS = 2_000;
const JUDGE_STEP_MS = 20;
/** A zone that is silent for longer holds up nobody; a federator that is started again is back by then. */
const PEER_MEMORY_MS = 60_000;

export interface OpenDecisionsOptions {
  readonly zone: string;
  readonly replica: Pick<
    RunningReplica,
    "strandedCount" | "history" | "turns" | "refusal" | "heldBack" | "wake"
  >;
  readonly gossip: Pick<Gossip, "heardWithin">;
  readonly clock: Clock;
}

/**
 * While a zone serves records that a restored catalog lost, what is in force is more than what the catalog says: a change planned
 * from the catalog alone would use numbers twice, and could take nothing away. So there are none until an operator has decided.
 */
export interface OpenDecisions {
  /** MERIDIAN_CATALOG_UNDECIDED while there are any. */
  readonly refuseChange: () => Promise<void>;
  /** The catalog for those whose changes are refused; what is only read is read as ever. */
  readonly guardChanges: (catalog: Catalog) => Catalog;
  /** Waits until nothing is left to decide, at most so long. */
  readonly untilNone: (timeoutMs: number) => Promise<void>;
}

export function openDecisions(options: OpenDecisionsOptions): OpenDecisions {
  const { zone, replica, gossip, clock } = options;
  // As far as this zone knows.
  const zones = (): readonly string[] => {
    const isOpenHere = replica.strandedCount().served > 0 || replica.history() === "another";
    const others = gossip
      .heardWithin(PEER_MEMORY_MS)
      .filter(({ strandedRecords = 0 }) => strandedRecords > 0)
      .map((observation) => observation.zone);
    return isOpenHere ? [zone, ...others] : others;
  };
  const refuseChange = async (): Promise<void> => {
    await untilJudged(options);
    const keepers = zones();
    const [first] = keepers;
    if (first !== undefined) throw undecided(keepers, first);
  };
  return {
    refuseChange,
    guardChanges: (catalog) => ({
      ...catalog,
      txn: async (transaction, signal) => {
        await refuseChange();
        return catalog.txn(transaction, signal);
      },
    }),
    untilNone: async (timeoutMs) => {
      const endsAtMs = clock.nowMs() + timeoutMs;
      while (zones().length > 0 && clock.nowMs() < endsAtMs) await clock.sleep(JUDGE_STEP_MS);
    },
  };
}

/** A refused catalog is looked at again first: an operator may have given it its name back meanwhile. */
async function untilJudged({ replica, clock }: OpenDecisionsOptions): Promise<void> {
  const turnsBefore = replica.turns();
  if (replica.refusal() !== null) replica.wake();
  const isJudged = (): boolean =>
    (replica.history() === "own" && replica.refusal() === null) ||
    replica.heldBack() !== null ||
    replica.turns() > turnsBefore;
  const endsAtMs = clock.nowMs() + JUDGE_TIMEOUT_MS;
  while (!isJudged() && clock.nowMs() < endsAtMs) await clock.sleep(JUDGE_STEP_MS);
}

const undecided = (zones: readonly string[], first: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CATALOG_UNDECIDED",
    `The catalog was restored and lacks records that ${zones.join(", ")} ${zones.length === 1 ? "keeps and serves" : "keep and serve"}, so nothing is changed until an operator decides: \`meridian catalog status\` shows them, \`meridian catalog recover --from-replica ${first}\` writes them back, \`meridian catalog discard --zone ${first}\` drops them.`,
    { members: { zones: [...zones] } },
  );
