import {
  type ClassDemand,
  DEMAND_CLASSES_MAX,
  type TierDemand,
} from "#lib/contracts/control-records.ts";
import { type Tier, TIERS } from "#lib/plan/placement-class.ts";
import type { Crowd } from "./keep-within-plan.ts";
import { type KeyedClass, UNCLASSED } from "./share-planner.ts";

/** Which calls are counted together. */
export interface CallKind {
  readonly placed: KeyedClass;
  /** The name of the zone that is nearest to the caller. */
  readonly originZone: string;
  readonly tier: Tier;
}

/** Calls by placement, origin and tier: what is in flight now, and what they need of a cluster as averages over about two seconds. */
export interface CallMeter {
  readonly begin: (kind: CallKind, nowMs: number) => EndCall;
  readonly shed: (kind: CallKind, nowMs: number) => void;
  /** Of its placement and origin, by tier. */
  readonly crowd: (kind: CallKind) => Crowd;
  /** Ends an interval; the averages up to now, with what was shed counted as if it had been carried. */
  readonly endInterval: (nowMs: number) => readonly ClassDemand[];
}

/** Counts the end of a call: how long it waited for an instance, or that no cluster had room for it. */
export type EndCall = (nowMs: number, waitedMs: number | "turned-away") => void;

const AVERAGING_MS = 2_000;
/** An average this low is no demand. */
const FADED = 0.05;
/** Of a call's duration, in the average of its kind. */
const DURATION_WEIGHT = 0.1;
/** What a call of a kind is taken to last while none of them has ended yet. */
const DURATION_UNKNOWN_MS = 1_000;

interface Cell {
  inFlight: number;
  /** Σ calls in flight × their milliseconds, since the interval began. */
  callMs: number;
  sinceMs: number;
  shed: number;
  /** Of a call while it had an instance. */
  durationMs: number;
  average: number;
}

/** The calls of one class from one origin. */
interface CountedCrowd extends Crowd {
  readonly shedAtMs: Record<Tier, number>;
  readonly cells: Readonly<Record<Tier, Cell>>;
}

interface CountedClass {
  readonly rule: KeyedClass["rule"];
  readonly crowds: Map<string, CountedCrowd>;
}

export function createCallMeter(startMs: number): CallMeter {
  const unclassed: CountedClass = { rule: UNCLASSED.rule, crowds: new Map() };
  const classes = new Map([[UNCLASSED.key, unclassed]]);
  let intervalSinceMs = startMs;

  const classOf = ({ key, rule }: KeyedClass): CountedClass => {
    const known = classes.get(key);
    if (known !== undefined) return known;
    if (classes.size > DEMAND_CLASSES_MAX) return unclassed;
    const counted = { rule, crowds: new Map() };
    classes.set(key, counted);
    return counted;
  };
  const crowdOf = ({ placed, originZone }: CallKind, sinceMs: number): CountedCrowd => {
    const { crowds } = classOf(placed);
    const known = crowds.get(originZone);
    if (known !== undefined) return known;
    const crowd = emptyCrowd(sinceMs);
    crowds.set(originZone, crowd);
    return crowd;
  };
  return {
    begin: (kind, beganAtMs) => {
      const crowd = crowdOf(kind, beganAtMs);
      const cell = crowd.cells[kind.tier];
      accrue(cell, beganAtMs);
      cell.inFlight += 1;
      return (nowMs, waitedMs) => {
        accrue(cell, nowMs);
        cell.inFlight -= 1;
        if (waitedMs === "turned-away") return countShed(crowd, kind.tier, nowMs);
        const durationMs = Math.max(0, nowMs - beganAtMs - waitedMs);
        cell.durationMs += (durationMs - cell.durationMs) * DURATION_WEIGHT;
      };
    },
    shed: (kind, nowMs) => {
      countShed(crowdOf(kind, nowMs), kind.tier, nowMs);
    },
    crowd: (kind) => classOf(kind.placed).crowds.get(kind.originZone) ?? NOBODY,
    endInterval: (nowMs) => {
      const intervalMs = Math.max(1, nowMs - intervalSinceMs);
      intervalSinceMs = nowMs;
      for (const [key, counted] of classes) {
        for (const [origin, crowd] of counted.crowds) {
          for (const tier of TIERS) endInterval(crowd.cells[tier], intervalMs, nowMs);
          if (isFaded(crowd)) counted.crowds.delete(origin);
        }
        if (counted !== unclassed && counted.crowds.size === 0) classes.delete(key);
      }
      return [...classes.values()].flatMap(summarize);
    },
  };
}

function countShed(crowd: CountedCrowd, tier: Tier, nowMs: number): void {
  crowd.cells[tier].shed += 1;
  crowd.shedAtMs[tier] = nowMs;
}

const never = Number.NEGATIVE_INFINITY;
const none = { inFlight: 0 };
const NOBODY: Crowd = {
  cells: { critical: none, normal: none, batch: none },
  shedAtMs: { critical: never, normal: never, batch: never },
};

function emptyCrowd(sinceMs: number): CountedCrowd {
  const cell = (): Cell => ({
    inFlight: 0,
    callMs: 0,
    sinceMs,
    shed: 0,
    durationMs: DURATION_UNKNOWN_MS,
    average: 0,
  });
  const cells = { critical: cell(), normal: cell(), batch: cell() };
  return { shedAtMs: { ...NOBODY.shedAtMs }, cells };
}

const isFaded = ({ cells }: CountedCrowd): boolean =>
  TIERS.every((tier) => cells[tier].inFlight === 0 && cells[tier].average < FADED);

function accrue(cell: Cell, nowMs: number): void {
  cell.callMs += cell.inFlight * Math.max(0, nowMs - cell.sinceMs);
  cell.sinceMs = nowMs;
}

/**
 * By Little's law, calls that were shed would have added their rate times their duration to those in flight: that without the wait, or
 * a queue would make demand that makes it longer. What waits counts: callers who wait for their answers would ask more were it quicker.
 */
function endInterval(cell: Cell, intervalMs: number, nowMs: number): void {
  accrue(cell, nowMs);
  const offered = (cell.callMs + cell.shed * cell.durationMs) / intervalMs;
  cell.average += (offered - cell.average) * (1 - Math.exp(-intervalMs / AVERAGING_MS));
  cell.callMs = 0;
  cell.shed = 0;
}

function summarize({ rule, crowds }: CountedClass): readonly ClassDemand[] {
  const origins: Record<string, TierDemand> = {};
  for (const [origin, { cells }] of crowds) {
    const calls = (tier: Tier): number => Math.round(cells[tier].average);
    const demand = { critical: calls("critical"), normal: calls("normal"), batch: calls("batch") };
    if (TIERS.some((tier) => demand[tier] > 0)) origins[origin] = demand;
  }
  if (Object.keys(origins).length === 0) return [];
  return [{ ...rule, regions: [...rule.regions], origins }];
}
