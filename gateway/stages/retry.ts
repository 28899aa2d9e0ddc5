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
import type { RetryBudget, RetryBudgets } from "../core/retry-budget.ts";
import type { LocatedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Answer, FailedOutcome, Outcome } from "../ports.ts";
import { callerGone, failedAnswer, functionAnswer, outOfTime } from "./answer-outcome.ts";
import type { HedgedForward } from "./hedge.ts";
import { isRepeatable } from "./stream-body.ts";
import { type ClusterRanking, toRank } from "./survey-clusters.ts";

export interface RetryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly ranking: ClusterRanking;
  readonly budget: RetryBudgets;
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
  forward: HedgedForward,
): Handler<LocatedCall> {
  const { clock, onRetry } = ports;
  const attemptsMax = failover === "on" ? ATTEMPTS_MAX : 1;
  return async (call) => {
    const budget = ports.budget.of(call.door.tenant);
    budget.countRequest(clock.nowMs());
    const tried = new Set<string>();
    let zone = await firstZone(call, attemptsMax, ports);
    let isFree = false;
    let withdrawals = 0;
    for (let attempts = 1; ; attempts += 1) {
      tried.add(zone.clusterId);
      const elsewhere = () => (failover === "on" ? untriedZone(call, tried, ports) : undefined);
      const end = await forward({ call, zone, number: attempts }, elsewhere);
      const { outcome } = end;
      if (isFree) budget.endFree(outcome.kind !== "failed", clock.nowMs());
      for (const { clusterId } of end.sentTo) tried.add(clusterId);
      attempts += end.sentTo.length - 1;
      const { name, clusterId } = end.zone;
      Object.assign(call.receipt, { zone: name, clusterId, attempts });
      if (outcome.kind !== "failed") return settled(call, outcome);

      const { failure } = outcome;
      const isIdempotent = isRepeatable(call);
      const isBodySpent = !(call.body instanceof Uint8Array) && call.body.isTouched();
      const remainingMs = call.deadlineAtMs - clock.nowMs();
      if (failure === "not-begun") withdrawals += 1;
      const decision = decideRetry({
        failure,
        isIdempotent,
        isBodySpent,
        attempts,
        attemptsMax,
        withdrawals,
        remainingMs,
      });
      if (decision.kind === "give-up") return failedAnswer(call, outcome);
      const next = await nextZone(call, end.zone, failure, tried, ports);
      if (next === undefined || !(await mayGo(call, decision, budget, ports)))
        return failedAnswer(call, outcome);
      onRetry(failure);
      isFree = decision.kind === "again";
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
    if (ranking.some(({ standing }) => standing === "full")) throw overloaded(call, ranking);
    if (looks >= attemptsMax || !(await pause(call, ports))) throw noCluster(call, ranking);
  }
}

/**
 * Another cluster, else after a pause whichever is usable. Where the call surely did not run, that is the same one in any
 * case: its agent may have restarted before this gateway's pings know. None where all keep failing the function: then once is enough.
 */
async function nextZone(
  call: LocatedCall,
  last: Zone,
  failure: AttemptFailure,
  tried: ReadonlySet<string>,
  ports: RetryPorts,
): Promise<Zone | undefined> {
  const other = untriedZone(call, tried, ports);
  if (other !== undefined) return other;
  if (ports.ranking.isOpenEverywhere(toRank(call), call.zones)) return undefined;
  if (!(await pause(call, ports))) return undefined;
  const usable = chosenZone(ports.ranking.byDistance(toRank(call), call.zones));
  return usable ?? (failure === "maybe-executed" ? undefined : last);
}

/** A cluster that keeps failing the function is no better place for a call than the one that just failed it. */
function untriedZone(
  call: LocatedCall,
  tried: ReadonlySet<string>,
  { ranking }: RetryPorts,
): Zone | undefined {
  const untried = call.zones.filter(({ clusterId }) => !tried.has(clusterId));
  return ranking
    .byDistance(toRank(call), untried)
    .find(({ decision, standing }) => decision === "chosen" && standing !== "circuit-open")?.zone;
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
    case "body-lost":
      throw outcome.error;
  }
}

async function mayGo(
  call: LocatedCall,
  { kind }: Exclude<RetryDecision, { readonly kind: "give-up" }>,
  budget: RetryBudget,
  { clock, random }: RetryPorts,
): Promise<boolean> {
  const { callerGone: gone } = call.arrival;
  if (gone.aborted) return false;
  const take = kind === "again" ? budget.tryFree : budget.trySpend;
  if (take(clock.nowMs())) return true;
  return clock.sleep(BUDGET_WAIT_MS * random.next(), gone).then(
    () => take(clock.nowMs()),
    () => false,
  );
}

/** Waiting for room here would only be a queue in front of those that the clusters have. */
function overloaded(call: LocatedCall, ranking: readonly RankedCluster[]): MeridianError {
  call.receipt.limitedBy = "cluster";
  const { tier } = call.version.manifest.placement;
  return new MeridianError(
    "MERIDIAN_OVERLOADED",
    `No cluster has room for a ${tier} call now: ${describe(ranking)}. The function was not started; try again in a second.`,
    { members: { tier } },
  );
}

const describe = (ranking: readonly RankedCluster[]): string =>
  ranking.map(({ zone, reason }) => `${zone.clusterId}: ${reason}`).join("; ");

function noCluster(call: LocatedCall, ranking: readonly RankedCluster[]): MeridianError {
  const { regions } = call.version.manifest.placement;
  const code: ErrorCode =
    regions.length > 0 ? "MERIDIAN_RESIDENCY_UNAVAILABLE" : "MERIDIAN_NO_CLUSTER";
  const scope = regions.length > 0 ? ` that the placement permits (${regions.join(", ")})` : "";
  return new MeridianError(code, `No cluster${scope} can take the call now: ${describe(ranking)}.`);
}
