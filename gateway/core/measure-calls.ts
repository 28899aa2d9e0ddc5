import {
  type ClassDemand,
  DEMAND_CLASSES_MAX,
  type TierDemand,
} from "#lib/contracts/control-records.ts";
import type { Tier } from "#lib/plan/placement-class.ts";
import { NO_DEMAND } from "#lib/plan/sum-demand.ts";
import { type KeyedClass, UNCLASSED } from "./share-planner.ts";

/** Which calls are counted together. */
export interface CallKind {
  readonly placed: KeyedClass;
  /** The name of the zone that is nearest to the caller. */
  readonly originZone: string;
  readonly tier: Tier;
}

/** Calls in flight by placement, origin and tier, as averages over about two seconds. */
export interface CallMeter {
  /** Gives the function that counts the end of the call. */
  readonly begin: (kind: CallKind, nowMs: number) => (nowMs: number) => void;
  readonly shed: (kind: CallKind, nowMs: number) => void;
  /** At this moment, of all placements and tiers. */
  readonly inFlight: (originZone: string) => number;
  /** Ends an interval; the averages up to now, with what was shed counted as if it had been carried. */
  readonly endInterval: (nowMs: number) => readonly ClassDemand[];
}

const AVERAGING_MS = 2_000;
/** An average this low is no demand. */
const FADED = 0.05;
/** Of a call's duration, in the average of its kind. */
const DURATION_WEIGHT = 0.1;
/** What a call of a kind is taken to last while none of them has ended yet. */
const DURATION_UNKNOWN_MS = 1_000;

interface Cell extends CallKind {
  inFlight: number;
  /** Σ calls in flight × their milliseconds, since the interval began. */
  callMs: number;
  sinceMs: number;
  shed: number;
  durationMs: number;
  average: number;
}

export function createCallMeter(startMs: number): CallMeter {
  const cells = new Map<string, Cell>();
  const classes = new Set([UNCLASSED.key]);
  const now = new Map<string, number>();
  let intervalSinceMs = startMs;

  const cellOf = (kind: CallKind, nowMs: number): Cell => {
    const isKnown = classes.has(kind.placed.key);
    const placed = isKnown || classes.size <= DEMAND_CLASSES_MAX ? kind.placed : UNCLASSED;
    const key = `${placed.key} ${kind.originZone} ${kind.tier}`;
    const known = cells.get(key);
    if (known !== undefined) return known;
    const counts = { inFlight: 0, callMs: 0, sinceMs: nowMs, shed: 0, average: 0 };
    const cell: Cell = { ...kind, placed, ...counts, durationMs: DURATION_UNKNOWN_MS };
    classes.add(placed.key);
    cells.set(key, cell);
    return cell;
  };
  const change = (cell: Cell, by: 1 | -1, nowMs: number): void => {
    accrue(cell, nowMs);
    cell.inFlight += by;
    now.set(cell.originZone, (now.get(cell.originZone) ?? 0) + by);
  };

  return {
    begin: (kind, nowMs) => {
      const cell = cellOf(kind, nowMs);
      change(cell, 1, nowMs);
      return (endMs) => {
        change(cell, -1, endMs);
        cell.durationMs += (endMs - nowMs - cell.durationMs) * DURATION_WEIGHT;
      };
    },
    shed: (kind, nowMs) => {
      cellOf(kind, nowMs).shed += 1;
    },
    inFlight: (originZone) => now.get(originZone) ?? 0,
    endInterval: (nowMs) => {
      const intervalMs = Math.max(1, nowMs - intervalSinceMs);
      intervalSinceMs = nowMs;
      for (const [key, cell] of cells) {
        accrue(cell, nowMs);
        endInterval(cell, intervalMs);
        if (cell.inFlight === 0 && cell.average < FADED) cells.delete(key);
      }
      classes.clear();
      for (const key of [UNCLASSED.key, ...[...cells.values()].map(({ placed }) => placed.key)])
        classes.add(key);
      return summarize([...cells.values()]);
    },
  };
}

function accrue(cell: Cell, nowMs: number): void {
  cell.callMs += cell.inFlight * Math.max(0, nowMs - cell.sinceMs);
  cell.sinceMs = nowMs;
}

/** By Little's law, calls that were shed would have added their rate times their duration to those in flight. */
function endInterval(cell: Cell, intervalMs: number): void {
  const offered = (cell.callMs + cell.shed * cell.durationMs) / intervalMs;
  cell.average += (offered - cell.average) * (1 - Math.exp(-intervalMs / AVERAGING_MS));
  cell.callMs = 0;
  cell.shed = 0;
}

function summarize(cells: readonly Cell[]): readonly ClassDemand[] {
  const byClass = new Map<string, { rule: KeyedClass["rule"]; origins: Map<string, TierDemand> }>();
  for (const { placed, originZone, tier, average } of cells) {
    const calls = Math.round(average);
    if (calls === 0) continue;
    const its = byClass.get(placed.key) ?? { rule: placed.rule, origins: new Map() };
    its.origins.set(originZone, { ...(its.origins.get(originZone) ?? NO_DEMAND), [tier]: calls });
    byClass.set(placed.key, its);
  }
  return [...byClass.values()].map(({ rule, origins }) => ({
    regions: [...rule.regions],
    spread: rule.spread,
    failback: rule.failback,
    origins: Object.fromEntries(origins),
  }));
}
