import type { Random } from "#lib/ports/random.ts";
import { createFailureWindows } from "./failure-windows.ts";
import { createNameSlots } from "./name-slots.ts";

/** Whether a cluster may be given a call of a function, as far as its calls of this function so far tell. */
export type CircuitStanding =
  | { readonly kind: "closed" }
  /** It was open; a few calls find out whether it may be closed. */
  | { readonly kind: "on-trial" }
  | { readonly kind: "open"; readonly forMs: number };

/** What an attempt proves: that the cluster can do the function's calls, that it failed at one, or neither. */
export type AttemptVerdict = "sound" | "failed" | "no-proof";

/** Under what an attempt was begun: what ends under another than it began under says nothing about now. */
export type Generation = number;

/**
 * A circuit for each function on each cluster, made when the cluster first fails it. It opens at too many failures, and three sound
 * trials close it. A function is named with its version, so that
 * a bad version does not take the good one along.
 */
export interface FunctionCircuits {
  readonly standing: (clusterId: string, functionName: string, nowMs: number) => CircuitStanding;
  /** One attempt begins; while its circuit is on trial it is one of the trials. */
  readonly begin: (clusterId: string, functionName: string, nowMs: number) => Generation;
  readonly end: (
    clusterId: string,
    functionName: string,
    begunUnder: Generation,
    verdict: AttemptVerdict,
    nowMs: number,
  ) => void;
  /** Circuits that are kept, and how many of them let nothing through. */
  readonly count: (nowMs: number) => { readonly kept: number; readonly open: number };
}

const CIRCUITS_MAX = 100_000;

const TRIALS = 3;
/** Trials that have not ended by then are not waited for any longer. */
const TRIALS_MS = 60_000;
const OPEN_MIN_MS = 5_000;
const OPEN_MAX_MS = 60_000;
const DOUBLINGS_MAX = 16;
/** Reopening is spread by so much either way, so that not all gateways try again at the same moment. */
const OPEN_SPREAD = 0.2;
/** A circuit that nothing was heard of for longer is forgotten: twice what it may be open for. */
const FORGOTTEN_AFTER_MS = 2 * OPEN_MAX_MS;

const CLOSED = 0;
const OPEN = 1;
const ON_TRIAL = 2;

/** Of a call that no circuit stands for; the generation of every new one. */
const FIRST: Generation = 0;
/** Of a call that was sent although the circuit was open: its end is not counted. */
const UNCOUNTED: Generation = -1;

const closed: CircuitStanding = { kind: "closed" };
const onTrial: CircuitStanding = { kind: "on-trial" };

/** A struct of arrays: 45 bytes for a circuit and about as many for its name, no timer and no object. */
export function createFunctionCircuits(random: Random, max = CIRCUITS_MAX): FunctionCircuits {
  const slots = createNameSlots(max, random);
  const states = createCircuitStates(random, max);
  return {
    standing: (clusterId, functionName, nowMs) => {
      const slot = slots.find(clusterId, functionName);
      return slot === undefined ? closed : states.standing(slot, nowMs);
    },
    begin: (clusterId, functionName, nowMs) => {
      const slot = slots.find(clusterId, functionName);
      return slot === undefined ? FIRST : states.begin(slot, nowMs);
    },
    end: (clusterId, functionName, begunUnder, verdict, nowMs) => {
      slots.release(nowMs - FORGOTTEN_AFTER_MS, states.forget);
      let slot = slots.find(clusterId, functionName);
      if (slot === undefined) {
        if (verdict !== "failed" || begunUnder !== FIRST) return;
        slot = slots.take(clusterId, functionName, nowMs, states.forget);
      }
      if (states.end(slot, begunUnder, verdict, nowMs)) slots.touch(slot, nowMs);
    },
    count: (nowMs) => {
      // Calls of others let go of a few at a time; with no calls, nobody does.
      slots.release(nowMs - FORGOTTEN_AFTER_MS, states.forget, max);
      return { kept: slots.size(), open: states.open() };
    },
  };
}

interface CircuitStates {
  readonly standing: (slot: number, nowMs: number) => CircuitStanding;
  readonly begin: (slot: number, nowMs: number) => Generation;
  /** False for what began under another generation: it changes nothing. */
  readonly end: (
    slot: number,
    begunUnder: Generation,
    verdict: AttemptVerdict,
    nowMs: number,
  ) => boolean;
  /** Makes it a new one, which is closed. */
  readonly forget: (slot: number) => void;
  readonly open: () => number;
}

function createCircuitStates(random: Random, max: number): CircuitStates {
  const windows = createFailureWindows(max);
  const states = new Uint8Array(max);
  const generations = new Uint32Array(max);
  const timesOpened = new Uint8Array(max);
  const trialsLeft = new Uint8Array(max);
  const trialsSound = new Uint8Array(max);
  /** Open: when trials begin. On trial: when they are given up. */
  const untilMs = new Float64Array(max);
  let openCount = 0;

  const enter = (slot: number, state: number, generation: Generation): void => {
    openCount += Number(state === OPEN) - Number(states[slot] === OPEN);
    states[slot] = state;
    generations[slot] = generation;
  };
  const nextOf = (slot: number): Generation => (generations[slot] ?? FIRST) + 1;
  const open = (slot: number, nowMs: number): void => {
    enter(slot, OPEN, nextOf(slot));
    const times = timesOpened[slot] ?? 0;
    timesOpened[slot] = Math.min(times + 1, DOUBLINGS_MAX);
    const spread = 1 + OPEN_SPREAD * (2 * random.next() - 1);
    untilMs[slot] = nowMs + Math.min(OPEN_MAX_MS, OPEN_MIN_MS * 2 ** times * spread);
  };
  const startTrials = (slot: number, nowMs: number): void => {
    enter(slot, ON_TRIAL, nextOf(slot));
    trialsLeft[slot] = TRIALS;
    trialsSound[slot] = 0;
    untilMs[slot] = nowMs + TRIALS_MS;
  };
  const close = (slot: number, generation: Generation): void => {
    enter(slot, CLOSED, generation);
    timesOpened[slot] = 0;
    windows.clear(slot);
  };
  const endTrial = (slot: number, verdict: AttemptVerdict, nowMs: number): void => {
    if (verdict === "failed") return open(slot, nowMs);
    const counts = verdict === "sound" ? trialsSound : trialsLeft;
    counts[slot] = (counts[slot] ?? 0) + 1;
    if (trialsSound[slot] === TRIALS) close(slot, nextOf(slot));
  };

  return {
    standing: (slot, nowMs) => {
      if (states[slot] === CLOSED) return closed;
      const forMs = (untilMs[slot] ?? 0) - nowMs;
      const isTrialFree = states[slot] === ON_TRIAL && trialsLeft[slot] !== 0;
      return forMs <= 0 || isTrialFree ? onTrial : { kind: "open", forMs };
    },
    begin: (slot, nowMs) => {
      if (states[slot] !== CLOSED) {
        if (nowMs >= (untilMs[slot] ?? 0)) startTrials(slot, nowMs);
        if (states[slot] === OPEN || trialsLeft[slot] === 0) return UNCOUNTED;
        trialsLeft[slot] = (trialsLeft[slot] ?? 0) - 1;
      }
      return generations[slot] ?? FIRST;
    },
    end: (slot, begunUnder, verdict, nowMs) => {
      if (generations[slot] !== begunUnder) return false;
      if (states[slot] === ON_TRIAL) endTrial(slot, verdict, nowMs);
      else if (verdict !== "no-proof" && windows.count(slot, verdict === "failed", nowMs))
        open(slot, nowMs);
      return true;
    },
    forget: (slot) => close(slot, FIRST),
    open: () => openCount,
  };
}
