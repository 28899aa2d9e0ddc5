import { keys } from "#lib/contracts/catalog-keys.ts";
import type { PlanInputRecord } from "#lib/contracts/catalog-records.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Logger } from "pino";
import { judgeVerdicts, type VerdictLimits } from "../core/judge-verdict.ts";
import { planRamps } from "../core/plan-ramp.ts";
import { modifiedAt, put } from "../core/transactions.ts";
import type { Replica } from "../ports.ts";
import type { Health } from "./health.ts";
import type { Leadership } from "./leader-lease.ts";
import { runLoop } from "./run-loop.ts";
import type { TypedRecords } from "./typed-records.ts";
import { verdictTransaction } from "./verdict-transaction.ts";

const TURN_INTERVAL_MS = 250;

export interface VerdictOptions {
  readonly catalog: Catalog;
  readonly replica: Replica;
  readonly records: TypedRecords;
  readonly health: Health;
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly log: Logger;
  readonly zone: string;
  readonly limits: VerdictLimits;
  readonly rampMs: number;
  readonly onVerdict: (state: "up" | "down") => void;
}

export interface Verdicts {
  /** There is news: decide now. */
  readonly wake: () => void;
  readonly close: () => Promise<void>;
}

/** Makes durable what the zones agree on: any federator takes a cluster out, the leader alone brings one back and ramps it up. */
export function decideVerdicts(options: VerdictOptions): Verdicts {
  const { catalog, replica, records, health, leadership, clock, log } = options;
  const closing = new AbortController();
  const shownSinceMs = shareWatch(clock);

  const stepVerdicts = async (signal: AbortSignal): Promise<void> => {
    const cases = health.cases();
    const decisions = judgeVerdicts(
      cases,
      health.sessionRevisions(),
      clock.nowMs(),
      options.limits,
    );
    for (const decision of decisions) {
      const needsLeader = decision.kind === "up" && decision.needsLeader;
      const fence = leadership.fence();
      const its = cases.find(({ clusterId }) => clusterId === decision.clusterId);
      if (its === undefined || (needsLeader && fence === null)) continue;
      const transaction = verdictTransaction(
        decision,
        its,
        records.planInputHeld(),
        needsLeader ? fence : null,
        { zone: options.zone, wallMs: clock.wallMs() },
      );
      const result = await catalog.txn(transaction, signal);
      if (result.kind === "conflict") continue;
      log.warn({ decision, evidence: its.evidence, revision: result.revision }, "verdict");
      options.onVerdict(decision.kind);
    }
  };

  const stepRamps = async (signal: AbortSignal): Promise<void> => {
    const held = records.planInputHeld();
    const ramps = held?.value.rampPercent ?? {};
    const sinceMs = shownSinceMs(ramps);
    const fence = leadership.fence();
    if (fence === null || held === undefined) return;
    const inService = new Set(
      Object.keys(ramps).filter((clusterId) => records.verdict(clusterId)?.state === "up"),
    );
    const next = planRamps(ramps, inService, sinceMs, clock.nowMs(), options.rampMs);
    if (next === undefined) return;
    const value: PlanInputRecord = { rampPercent: next };
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
      await stepVerdicts(signal);
      await stepRamps(signal);
    },
  );
  return {
    wake: loop.wake,
    close: async () => {
      closing.abort(new Error("verdicts were closed"));
      await loop.ended;
    },
  };
}

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
