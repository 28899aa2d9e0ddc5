import { Readable } from "node:stream";
import type { Zone } from "#lib/contracts/zone.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { HedgeBudget, HedgeDelays } from "../core/hedge-delay.ts";
import type { Outcome } from "../ports.ts";
import type { Attempt, Forward } from "./forward.ts";
import { isRepeatable } from "./stream-body.ts";
import { circuitName } from "./survey-clusters.ts";

export interface HedgePorts {
  readonly clock: Clock;
  readonly delays: HedgeDelays;
  readonly budget: HedgeBudget;
  /** A second attempt began, and whether it was the one that answered. */
  readonly onHedge: (hasWon: boolean) => void;
}

/** How an attempt, or two at once, ended. */
export interface AttemptEnd {
  /** Where the outcome comes from. */
  readonly zone: Zone;
  readonly outcome: Outcome;
  /** All that were sent the call. */
  readonly sentTo: readonly Zone[];
}

/** `elsewhere` gives another cluster for a second attempt; undefined: there is none. */
export type HedgedForward = (
  attempt: Attempt,
  elsewhere: () => Zone | undefined,
) => Promise<AttemptEnd>;

/**
 * A first attempt that takes longer than nearly all calls of its function gets a second one at another cluster; the first answer
 * wins, and the other attempt is withdrawn. Only for functions that ask for it, which are idempotent.
 */
export function hedgeAttempts(
  { clock, delays, budget, onHedge }: HedgePorts,
  forward: Forward,
): HedgedForward {
  const hedge = async (
    attempt: Attempt,
    delayMs: number | undefined,
    elsewhere: () => Zone | undefined,
  ): Promise<AttemptEnd> => {
    const first = start(attempt, forward);
    const isLate = delayMs !== undefined && (await isStillRunning(first, delayMs, clock));
    const zone = isLate ? elsewhere() : undefined;
    const sentTo = [attempt.zone];
    if (zone === undefined || !budget.trySpend(clock.nowMs()))
      return { ...(await first.ended), sentTo };
    const second = start({ ...attempt, zone, number: attempt.number + 1 }, forward);
    const end = await firstAnswer(first, second);
    onHedge(end.zone === zone && end.outcome.kind === "answered");
    return { ...end, sentTo: [...sentTo, zone] };
  };

  return async (attempt, elsewhere) => {
    const { door, version } = attempt.call;
    // What was stored before the two were checked together must not run twice either.
    const isHedged = version.manifest.hedge === true && isRepeatable(attempt.call);
    if (!isHedged || attempt.number > 1)
      return { zone: attempt.zone, outcome: await forward(attempt), sentTo: [attempt.zone] };
    const startMs = clock.nowMs();
    const name = circuitName(door, version.version);
    budget.countRequest(startMs);
    const end = await hedge(attempt, delays.delayMs(name), elsewhere);
    if (end.outcome.kind === "answered") delays.count(name, clock.nowMs() - startMs);
    return end;
  };
}

interface Leg {
  readonly ended: Promise<Pick<AttemptEnd, "zone" | "outcome">>;
  /** Ends it, and throws away its answer if it came after all. */
  readonly withdraw: () => void;
}

function start(attempt: Attempt, forward: Forward): Leg {
  const withdrawn = new AbortController();
  const { zone } = attempt;
  const ended = forward({ ...attempt, withdrawn: withdrawn.signal }).then((outcome) => ({
    zone,
    outcome,
  }));
  return {
    ended,
    withdraw: () => {
      withdrawn.abort();
      void ended.then(({ outcome }) => {
        if (outcome.kind === "answered" && outcome.answer.body instanceof Readable)
          outcome.answer.body.on("error", () => undefined).destroy();
      });
    },
  };
}

async function isStillRunning(leg: Leg, delayMs: number, clock: Clock): Promise<boolean> {
  const ended = new AbortController();
  void leg.ended.then(() => ended.abort());
  return clock.sleep(delayMs, ended.signal).then(
    () => true,
    () => false,
  );
}

/** An attempt that failed leaves the other its time. */
async function firstAnswer(one: Leg, other: Leg): Promise<Pick<AttemptEnd, "zone" | "outcome">> {
  const early = await Promise.race([
    one.ended.then((end) => ({ end, late: other })),
    other.ended.then((end) => ({ end, late: one })),
  ]);
  if (early.end.outcome.kind === "failed") return early.late.ended;
  early.late.withdraw();
  return early.end;
}
