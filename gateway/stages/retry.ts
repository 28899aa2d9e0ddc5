import type { Zone } from "#lib/contracts/zone.ts";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import {
  type AttemptFailure,
  decideRetry,
  pauseBeforeSameMs,
  type RetryDecision,
} from "../core/decide-retry.ts";
import type { RankedCluster } from "../core/order-clusters.ts";
import type { RetryBudget } from "../core/retry-budget.ts";
import type { LocatedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Answer, FailedOutcome, Outcome } from "../ports.ts";
import { callerGone, failedAnswer, functionAnswer, outOfTime } from "./answer-outcome.ts";
import type { Forward } from "./forward.ts";
import { type ClusterRanking, toRank } from "./survey-clusters.ts";

export interface RetryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly ranking: ClusterRanking;
  readonly budget: RetryBudget;
  readonly onRetry: (failure: FailedOutcome["failure"]) => void;
}

/** One cluster is tried twice only when there is no other. */
const ATTEMPTS_MAX = 3;
/** Over the budget a call waits this long for a slot, then fails. */
const BUDGET_WAIT_MS = 250;

/** Tries the cluster that the plan's shares give it, then others, nearest first, else the same, for as long as that is proved safe or permitted. */
export function retryAttempts(
  ports: RetryPorts,
  failover: "on" | "off",
  forward: Forward,
): Handler<LocatedCall> {
  const attemptsMax = failover === "on" ? ATTEMPTS_MAX : 1;
  return async (call) => {
    ports.budget.countRequest(ports.clock.nowMs());
    const tried = new Set<string>();
    let zone = await firstZone(call, attemptsMax, ports);
    for (let attempts = 1; ; attempts += 1) {
      tried.add(zone.clusterId);
      const { name, clusterId } = zone;
      Object.assign(call.receipt, { zone: name, clusterId, attempts });
      const outcome = await forward({ call, zone, number: attempts });
      if (outcome.kind !== "failed") return settled(call, outcome);

      const { failure } = outcome;
      const isIdempotent = call.version.manifest.idempotent;
      const remainingMs = call.deadlineAtMs - ports.clock.nowMs();
      const decision = decideRetry({ failure, isIdempotent, attempts, attemptsMax, remainingMs });
      if (decision.kind === "give-up") return failedAnswer(call, outcome);
      const next = await nextZone(call, zone, failure, tried, ports);
      if (next === undefined || !(await mayGo(call, decision, ports)))
        return failedAnswer(call, outcome);
      ports.onRetry(failure);
      zone = next;
    }
  };
}

/** Waits a little for a cluster to come back when there is none, as often as a failed attempt would be repeated. */
async function firstZone(call: LocatedCall, attemptsMax: number, ports: RetryPorts): Promise<Zone> {
  for (let looks = 1; ; looks += 1) {
    const ranking = ports.ranking.byShares(toRank(call), call.zones);
    const zone = chosenZone(ranking);
    if (zone !== undefined) return zone;
    if (looks >= attemptsMax || !(await pause(call, ports))) throw noCluster(call, ranking);
  }
}

/**
 * Another cluster, else after a pause whichever is usable. Where the call surely did not run, that is the same one in any
 * case: its agent may have restarted before this gateway's pings know.
 */
async function nextZone(
  call: LocatedCall,
  last: Zone,
  failure: AttemptFailure,
  tried: ReadonlySet<string>,
  ports: RetryPorts,
): Promise<Zone | undefined> {
  const untried = call.zones.filter(({ clusterId }) => !tried.has(clusterId));
  const other = chosenZone(ports.ranking.byDistance(toRank(call), untried));
  if (other !== undefined) return other;
  if (!(await pause(call, ports))) return undefined;
  const usable = chosenZone(ports.ranking.byDistance(toRank(call), call.zones));
  return usable ?? (failure === "maybe-executed" ? undefined : last);
}

/** False when the caller went away meanwhile. */
function pause(call: LocatedCall, { clock, random }: RetryPorts): Promise<boolean> {
  const pauseMs = pauseBeforeSameMs(call.deadlineAtMs - clock.nowMs(), random);
  return clock.sleep(pauseMs, call.arrival.callerGone).then(
    () => true,
    () => false,
  );
}

const chosenZone = (ranking: readonly RankedCluster[]): Zone | undefined =>
  ranking.find(({ decision }) => decision === "chosen")?.zone;

function settled(call: LocatedCall, outcome: Exclude<Outcome, FailedOutcome>): Answer {
  switch (outcome.kind) {
    case "answered":
      return functionAnswer(call, outcome.answer);
    case "out-of-time":
      throw outOfTime(call, outcome.wasSent);
    case "caller-gone":
      return callerGone;
  }
}

async function mayGo(
  call: LocatedCall,
  { kind }: Exclude<RetryDecision, { readonly kind: "give-up" }>,
  { clock, random, budget }: RetryPorts,
): Promise<boolean> {
  const { callerGone: gone } = call.arrival;
  if (kind === "again" || gone.aborted) return !gone.aborted;
  if (budget.trySpend(clock.nowMs())) return true;
  return clock.sleep(BUDGET_WAIT_MS * random.next(), gone).then(
    () => budget.trySpend(clock.nowMs()),
    () => false,
  );
}

function noCluster(call: LocatedCall, ranking: readonly RankedCluster[]): MeridianError {
  const { regions } = call.version.manifest.placement;
  const why = ranking.map(({ zone, reason }) => `${zone.clusterId}: ${reason}`).join("; ");
  const code: ErrorCode =
    regions.length > 0 ? "MERIDIAN_RESIDENCY_UNAVAILABLE" : "MERIDIAN_NO_CLUSTER";
  const scope = regions.length > 0 ? ` that the placement permits (${regions.join(", ")})` : "";
  return new MeridianError(code, `No cluster${scope} can take the call now: ${why}.`);
}
