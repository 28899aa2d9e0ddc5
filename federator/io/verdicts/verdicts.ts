import { keys } from "#lib/contracts/catalog-keys.ts";
import type { PlanInputRecord } from "#lib/contracts/control-records.ts";
import { deadline } from "#lib/deadline.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Logger } from "pino";
import type { Random } from "#lib/ports/random.ts";
import {
  type ClusterCase,
  judgePlannedDown,
  judgeVerdicts,
  type VerdictDecision,
  type VerdictLimits,
} from "../../core/verdicts/judge-verdict.ts";
import { planRamps } from "../../core/verdicts/plan-ramp.ts";
import { modifiedAt, put } from "../../core/transactions.ts";
import type { Replica } from "../../ports.ts";
import type { Health } from "./health.ts";
import type { Leadership } from "../leading/leader-lease.ts";
import { runLoop } from "../run-loop.ts";
import type { TypedRecords } from "../typed-records.ts";
import { verdictTransaction } from "./verdict-transaction.ts";

/** Without being asked to; what is due is seen much sooner. */
const TURN_INTERVAL_MS = 1_000;
const PLAN_RETRY_MS = 50;
/**
 * A write that meets a catalog between two leaders is answered only when its whole time is up. Whether it was made is seen in the
 * replica, and until then it may be tried again: it compares the verdict before.
 */
const WRITE_LIMIT_MS = 1_500;
const ID_DIGITS = 16;

export interface VerdictOptions {
  readonly catalog: Catalog;
  readonly replica: Replica;
  readonly records: TypedRecords;
  readonly health: Health;
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly zone: string;
  readonly limits: VerdictLimits;
  readonly rampMs: number;
  readonly onVerdict: (state: "up" | "down") => void;
}

export interface Verdicts {
  /** There is news: decide now. */
  readonly wake: () => void;
  /** Time went by: decide now if anything is due by it. */
  readonly look: () => void;
  /** Takes a cluster out that is about to be stopped on purpose; false when it was not in service, or is the last one. */
  readonly planDown: (clusterId: string, signal: AbortSignal) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

/** Makes durable what the zones agree on: any federator takes a cluster out, the leader alone brings one back and ramps it up. */
export function decideVerdicts(options: VerdictOptions): Verdicts {
  const { catalog, replica, records, health, leadership, clock, log } = options;
  const closing = new AbortController();
  const shownSinceMs = shareWatch(clock);
  let isTurning = false;

  /** True once it is written; what another federator wrote in between is decided anew next time. */
  const write = async (
    decision: VerdictDecision,
    its: ClusterCase,
    fence: Compare | null,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const by = { zone: options.zone, wallMs: clock.wallMs(), requestId: newId(options.random) };
    using limit = deadline(clock, WRITE_LIMIT_MS, signal);
    const result = await catalog.txn(
      verdictTransaction(decision, its, records.planInputHeld(), fence, by),
      limit.signal,
    );
    if (result.kind === "conflict") return false;
    log.warn({ decision, evidence: its.evidence, revision: result.revision }, "verdict");
    options.onVerdict(decision.kind);
    return true;
  };

  const due = (cases: readonly ClusterCase[]): readonly VerdictDecision[] =>
    judgeVerdicts(cases, health.surroundings(), clock.nowMs(), options.limits);

  const stepVerdicts = async (signal: AbortSignal): Promise<void> => {
    const cases = health.cases();
    for (const decision of due(cases)) {
      const needsLeader = decision.kind === "up" && decision.needsLeader;
      const fence = needsLeader ? leadership.fence() : null;
      const its = cases.find(({ clusterId }) => clusterId === decision.clusterId);
      if (its === undefined || (needsLeader && fence === null)) continue;
      await write(decision, its, fence, signal);
    }
  };

  const dueRamps = () => {
    const held = records.planInputHeld();
    const ramps = held?.value.rampPercent ?? {};
    const sinceMs = shownSinceMs(ramps);
    if (held === undefined) return undefined;
    const inService = new Set(
      Object.keys(ramps).filter((clusterId) => records.verdict(clusterId)?.state === "up"),
    );
    const next = planRamps(ramps, inService, sinceMs, clock.nowMs(), options.rampMs);
    return next && { held, next };
  };
  const stepRamps = async (signal: AbortSignal): Promise<void> => {
    const ramps = dueRamps();
    const fence = leadership.fence();
    if (fence === null || ramps === undefined) return;
    const { held, next } = ramps;
    const value: PlanInputRecord = { ...held.value, rampPercent: next };
    const key = keys.planInput();
    await catalog.txn(
      { compares: [fence, modifiedAt(key, held)], operations: [put(key, value)] },
      signal,
    );
  };

  const loop = runLoop(
    { name: "verdicts", intervalMs: TURN_INTERVAL_MS, clock, log, signal: closing.signal },
    async (signal) => {
      if (replica.position().incarnation === "") return;
      isTurning = true;
      try {
        await stepVerdicts(signal);
        await stepRamps(signal);
      } finally {
        isTurning = false;
      }
    },
  );
  return {
    wake: loop.wake,
    look: () => {
      // What a turn is about to write is due until it is seen in the replica.
      if (isTurning) return;
      if (due(health.cases()).length > 0 || dueRamps() !== undefined) loop.wake();
    },
    planDown: async (clusterId, signal) => {
      while (!signal.aborted) {
        const cases = health.cases();
        const decision = judgePlannedDown(clusterId, cases);
        const its = cases.find((one) => one.clusterId === clusterId);
        if (decision === undefined || its === undefined) return false;
        if (await write(decision, its, null, signal)) return true;
        // What somebody else wrote in between is known here in a moment.
        await clock.sleep(PLAN_RETRY_MS, signal).catch(() => undefined);
      }
      return false;
    },
    close: async () => {
      closing.abort(new Error("verdicts were closed"));
      await loop.ended;
    },
  };
}

const newId = (random: Random): string =>
  Array.from({ length: ID_DIGITS }, () => Math.floor(random.next() * 16).toString(16)).join("");

/** Since when each cluster's share has been as it is, as far as this process saw. */
function shareWatch(
  clock: Clock,
): (ramps: PlanInputRecord["rampPercent"]) => ReadonlyMap<string, number> {
  let shown = new Map<string, { readonly percent: number; readonly sinceMs: number }>();
  return (ramps) => {
    shown = new Map(
      Object.entries(ramps).map(([clusterId, percent]) => {
        const before = shown.get(clusterId);
        return [
          clusterId,
          before?.percent === percent ? before : { percent, sinceMs: clock.nowMs() },
        ];
      }),
    );
    return new Map(shown.entries().map(([clusterId, { sinceMs }]) => [clusterId, sinceMs]));
  };
}
