import CircuitBreaker from "opossum";
import type { Random } from "#lib/ports/random.ts";
import type { FailedOutcome, Outcome } from "../ports.ts";

/** Stops new calls to a cluster to which too many have broken off. */
export interface ClusterBreaker {
  /** Whether a call may not go now. While it is half open one call at a time may, if the pings are good. */
  readonly isTripped: (arePingsGood: boolean) => boolean;
  readonly state: () => "closed" | "open" | "half-open";
  readonly run: (attempt: () => Promise<Outcome>) => Promise<Outcome>;
  readonly close: () => void;
}

/** Reopening is spread, so that not all gateways try again at the same moment. */
const RESET_MS = 5_000;
const RESET_SPREAD_MS = 2_500;

/** Carries an outcome through opossum, which knows success and failure only by whether an action rejects. */
class BrokenAttempt extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

/**
 * opossum, with the parts that hurt left off: no timeout (a call has its own deadline), no percentiles, no snapshots, no
 * capacity. What the function or the agent answered never counts, only what the cluster failed to answer.
 */
export function clusterBreaker(clusterId: string, random: Random): ClusterBreaker {
  // opossum keeps and changes the options it is given: each breaker needs an object of its own.
  const breaker: CircuitBreaker<[() => Promise<Outcome>], Outcome> = new CircuitBreaker(
    async (attempt: () => Promise<Outcome>) => {
      const outcome = await attempt();
      if (isClustersFault(outcome) || provesNothing(outcome)) throw new BrokenAttempt(outcome);
      return outcome;
    },
    {
      name: clusterId,
      timeout: false,
      errorThresholdPercentage: 50,
      volumeThreshold: 20,
      rollingCountTimeout: 10_000,
      rollingCountBuckets: 10,
      resetTimeout: RESET_MS + random.next() * RESET_SPREAD_MS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      // What proves nothing counts as no failure, except as the trial that shall close the breaker.
      errorFilter: (error: unknown) =>
        error instanceof BrokenAttempt && provesNothing(error.outcome) && !breaker.halfOpen,
    },
  );

  return {
    isTripped: (arePingsGood) =>
      breaker.opened || (breaker.halfOpen && !(breaker.pendingClose && arePingsGood)),
    state: () => (breaker.opened ? "open" : breaker.halfOpen ? "half-open" : "closed"),
    run: async (attempt) => {
      if (breaker.opened) return isOpen;
      try {
        return await breaker.fire(attempt);
      } catch (error) {
        if (error instanceof BrokenAttempt) return error.outcome;
        return { ...isOpen, cause: error };
      }
    },
    close: () => breaker.shutdown(),
  };
}

const isOpen: FailedOutcome = {
  kind: "failed",
  failure: "not-sent",
  reason: "the circuit breaker to it is open",
};

const isClustersFault = (outcome: Outcome): boolean =>
  (outcome.kind === "failed" && outcome.failure !== "refused" && outcome.answer === undefined) ||
  (outcome.kind === "out-of-time" && outcome.wasSent);

/** What was withdrawn before it began was so for the pings' sake, or one call's: neither is for all callers to pay. */
const provesNothing = (outcome: Outcome): boolean =>
  outcome.kind === "caller-gone" ||
  outcome.kind === "body-lost" ||
  (outcome.kind === "failed" && outcome.failure === "not-begun") ||
  (outcome.kind === "out-of-time" && !outcome.wasSent);
