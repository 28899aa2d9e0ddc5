import type { Trace } from "./trace.ts";

export interface Timer {
  readonly cancel: () => void;
}

/** The one time of the simulated world, in milliseconds since it began; only events move it on. */
export interface VirtualTime {
  readonly nowMs: () => number;
  readonly schedule: (delayMs: number, run: () => void) => Timer;
  /** Runs everything that is due until then, in order of time and, at the same time, in order of scheduling. */
  readonly runUntil: (endMs: number) => Promise<void>;
  /** Nothing runs any more; `runUntil` resolves. */
  readonly stop: () => void;
}

interface Entry extends Timer {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** One for all: a microtask that is asked for of it costs less than `queueMicrotask`. */
const SETTLED = Promise.resolve();

/** Between two events every microtask runs: the world's promises settle before its time moves. */
export function virtualTime(trace: Pick<Trace, "tick">): VirtualTime {
  const heap: Entry[] = [];
  let nowMs = 0;
  let scheduled = 0;
  let isStopped = false;

  const schedule = (delayMs: number, run: () => void): Timer => {
    scheduled += 1;
    const entry: Entry = {
      atMs: nowMs + Math.max(0, delayMs),
      order: scheduled,
      run,
      cancel: () => {
        entry.run = undefined;
      },
    };
    push(heap, entry);
    return entry;
  };

  const runNext = (endMs: number): boolean => {
    for (;;) {
      const next = heap[0];
      if (isStopped || next === undefined || next.atMs > endMs) return false;
      pop(heap);
      const { run } = next;
      if (run === undefined) continue;
      nowMs = next.atMs;
      trace.tick(nowMs, next.order);
      run();
      return true;
    }
  };

  return {
    nowMs: () => nowMs,
    schedule,
    stop: () => {
      isStopped = true;
    },
    runUntil: (endMs) =>
      new Promise((resolve, reject) => {
        // A tick that a microtask asks for comes once no microtask is left.
        const settle = (): void => process.nextTick(step);
        const step = (): void => {
          try {
            if (runNext(endMs)) return void SETTLED.then(settle);
          } catch (error) {
            return reject(error instanceof Error ? error : new Error(String(error)));
          }
          if (!isStopped) nowMs = Math.max(nowMs, endMs);
          resolve();
        };
        void SETTLED.then(settle);
      }),
  };
}

const isBefore = (one: Entry, other: Entry): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

function push(heap: Entry[], entry: Entry): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || !isBefore(entry, parent)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    const child = smallerChild(heap, index);
    const entry = heap[child];
    if (entry === undefined || !isBefore(entry, last)) break;
    heap[index] = entry;
    index = child;
  }
  heap[index] = last;
}

function smallerChild(heap: readonly Entry[], index: number): number {
  const left = index * 2 + 1;
  const one = heap[left];
  const other = heap[left + 1];
  return one !== undefined && other !== undefined && isBefore(other, one) ? left + 1 : left;
}
