import type { Zone } from "#lib/contracts/zone.ts";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { decideRetry } from "../core/decide-retry.ts";
import { orderClusters, type RankedCluster } from "../core/order-clusters.ts";
import type { RetryBudget } from "../core/retry-budget.ts";
import type { LocatedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Agents, Answer, FailedOutcome, Outcome, Routing } from "../ports.ts";
import { callerGone, failedAnswer, functionAnswer, outOfTime } from "./answer-outcome.ts";
import type { Forward } from "./forward.ts";
import { surveyClusters } from "./survey-clusters.ts";

export interface RetryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly routing: Routing;
  readonly agents: Agents;
  readonly budget: RetryBudget;
  readonly onRetry: (failure: FailedOutcome["failure"]) => void;
}

/** A call is tried on at most this many clusters, never twice on one. */
const CLUSTERS_MAX = 3;
/** Over the budget a call waits this long for a slot, then fails. */
const BUDGET_WAIT_MS = 250;

/** Tries the nearest usable cluster, then others for as long as that is proved safe or permitted. */
export function retryElsewhere(
  ports: RetryPorts,
  failover: "on" | "off",
  forward: Forward,
): Handler<LocatedCall> {
  const attemptsMax = failover === "on" ? CLUSTERS_MAX : 1;
  return async (call) => {
    ports.budget.countRequest(ports.clock.nowMs());
    const tried = new Set<string>();
    const ranking = rank(call, tried, failover, ports);
    let zone = chosenZone(ranking);
    if (zone === undefined) throw noCluster(call, ranking);
    for (;;) {
      tried.add(zone.clusterId);
      const { name, clusterId } = zone;
      Object.assign(call.receipt, { zone: name, clusterId, attempts: tried.size });
      const outcome = await forward({ call, zone, number: tried.size });
      if (outcome.kind !== "failed") return settled(call, outcome);

      const next = chosenZone(rank(call, tried, failover, ports));
      const mayGoOn =
        next !== undefined && (await mayRetry(call, outcome, tried.size, attemptsMax, ports));
      if (!mayGoOn) return failedAnswer(call, outcome);
      ports.onRetry(outcome.failure);
      zone = next;
    }
  };
}

const chosenZone = (ranking: readonly RankedCluster[]): Zone | undefined =>
  ranking.find(({ decision }) => decision === "chosen")?.zone;

function rank(
  call: LocatedCall,
  tried: ReadonlySet<string>,
  failover: "on" | "off",
  { routing, agents, random }: RetryPorts,
): readonly RankedCluster[] {
  const untried = call.zones.filter((zone) => !tried.has(zone.clusterId));
  const clusters = surveyClusters(untried, call.table, routing, agents);
  return orderClusters(clusters, call.origin, failover, random);
}

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

async function mayRetry(
  call: LocatedCall,
  { failure }: FailedOutcome,
  attempts: number,
  attemptsMax: number,
  { clock, random, budget }: RetryPorts,
): Promise<boolean> {
  const isIdempotent = call.version.manifest.idempotent;
  const remainingMs = call.deadlineAtMs - clock.nowMs();
  const decision = decideRetry({ failure, isIdempotent, attempts, attemptsMax, remainingMs });
  switch (decision.kind) {
    case "give-up":
      return false;
    case "elsewhere":
      return !call.arrival.callerGone.aborted;
    case "elsewhere-on-budget": {
      if (budget.trySpend(clock.nowMs())) return !call.arrival.callerGone.aborted;
      const isWaiting = clock.sleep(BUDGET_WAIT_MS * random.next(), call.arrival.callerGone);
      return isWaiting.then(
        () => budget.trySpend(clock.nowMs()),
        () => false,
      );
    }
  }
}

function noCluster(call: LocatedCall, ranking: readonly RankedCluster[]): MeridianError {
  const { regions } = call.version.manifest.placement;
  const why = ranking.map(({ zone, reason }) => `${zone.clusterId}: ${reason}`).join("; ");
  const code: ErrorCode =
    regions.length > 0 ? "MERIDIAN_RESIDENCY_UNAVAILABLE" : "MERIDIAN_NO_CLUSTER";
  const scope = regions.length > 0 ? ` that the placement permits (${regions.join(", ")})` : "";
  return new MeridianError(code, `No cluster${scope} can take the call now: ${why}.`);
}
