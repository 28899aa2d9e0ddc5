import type { Logger } from "pino";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  chooseDefragmentation,
  fullestShare,
  planCompaction,
  type RevisionSample,
} from "../../core/leading/plan-catalog-tending.ts";
import type { CatalogMembers, Replica } from "../../ports.ts";
import type { Gossip } from "../verdicts/gossip.ts";
import type { Leadership } from "./leader-lease.ts";
import { runLoop } from "../run-loop.ts";

const TURN_INTERVAL_MS = 60_000;
const LIMITS = { historyMs: 10 * 60_000, historyMsMax: 60 * 60_000 };
/** A member is looked at for free space this often; defragmenting one makes it stand still for a moment. */
const DEFRAGMENT_EVERY_TURNS = 10;
/** From here on people should look (docs/operations.md). */
const ALARM_SHARE = 0.6;

export interface CatalogTendingOptions {
  readonly catalog: Catalog;
  readonly members: CatalogMembers;
  readonly replica: Replica;
  readonly gossip: Pick<Gossip, "observations">;
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface CatalogTending {
  /** How full the fullest member was when last looked at, from 0 to 1. */
  readonly fullShare: () => number;
  readonly close: () => Promise<void>;
}

/** The leader's housekeeping in an etcd: it bounds the history, gives free space back, and warns before the quota is reached. */
export function tendCatalog(options: CatalogTendingOptions): CatalogTending {
  const { catalog, members, replica, clock, log } = options;
  const closing = new AbortController();
  let samples: readonly RevisionSample[] = [];
  let fullShare = 0;
  let turns = 0;

  const compact = async (signal: AbortSignal): Promise<void> => {
    const { incarnation, revision } = replica.position();
    const cursors = options.gossip
      .observations()
      .flatMap(({ position }) =>
        position?.incarnation === incarnation ? [position.revision] : [],
      );
    const newest = { atMs: clock.nowMs(), revision };
    const plan = planCompaction(samples, newest, cursors, LIMITS);
    samples = plan.samples;
    if (plan.compactTo === null) return;
    await catalog.compact(plan.compactTo, signal);
    log.debug({ revision, compactRevision: plan.compactTo }, "history compacted");
  };

  const look = async (): Promise<void> => {
    const statuses = await members.statuses();
    const before = fullShare;
    fullShare = fullestShare(statuses, members.quotaBytes);
    if (fullShare >= ALARM_SHARE && before < ALARM_SHARE)
      log.error(
        { fullPercent: Math.round(fullShare * 100) },
        "the catalog's etcd fills up: delete what is not needed, or raise its quota",
      );
    const endpoint = turns % DEFRAGMENT_EVERY_TURNS === 0 ? chooseDefragmentation(statuses) : null;
    if (endpoint === null) return;
    await members.defragment(endpoint);
    log.info({ endpoint }, "a member of the catalog's etcd was defragmented");
  };

  const loop = runLoop(
    { name: "tend the catalog", intervalMs: TURN_INTERVAL_MS, clock, log, signal: closing.signal },
    async (signal) => {
      if (options.leadership.fence() === null) {
        samples = [];
        return;
      }
      turns += 1;
      await compact(signal);
      await look();
    },
  );
  return {
    fullShare: () => fullShare,
    close: async () => {
      closing.abort(new Error("the catalog is tended no more"));
      await loop.ended;
    },
  };
}
