import type { Clock } from "#lib/ports/clock.ts";
import type { Timer, VirtualTime } from "./virtual-time.ts";

/** Wall-clock time at the beginning of the world: 2026-01-01, for records that people read. */
const WALL_START_MS = 1_767_225_600_000;

/** One life of one simulated process: its clock, and whether it runs, stands still or is dead. */
export interface Host {
  readonly name: string;
  readonly clock: Clock;
  readonly state: () => "running" | "frozen" | "dead";
  /** Something reaches the process: at once, when it thaws, or never. */
  readonly deliver: (run: () => void) => void;
  /** A timer of the process, by its own clock. */
  readonly after: (delayMs: number, run: () => void) => Timer;
  /** As SIGSTOP, or a pause for garbage: time passes, nothing runs. */
  readonly freeze: () => void;
  readonly thaw: () => void;
  /** As SIGKILL: nothing of it ever runs again. */
  readonly kill: () => void;
  /** The longest standstill that ended within the last second of its clock, or 0: what its event loop would show. */
  readonly lagMs: () => number;
  /** Somebody set the time of day. */
  readonly stepWallClock: (byMs: number) => void;
}

const LAG_SHOWN_MS = 1_000;
/** No timer of Node is shorter. */
const TIMER_MIN_MS = 1;

/** `rate`: how fast its monotonic clock runs, 1 being right. */
export function startHost(time: VirtualTime, name: string, rate: number, wallOffsetMs = 0): Host {
  const startedAtMs = time.nowMs();
  let state: "running" | "frozen" | "dead" = "running";
  let waiting: (() => void)[] = [];
  let frozenAtMs = 0;
  let lag = { ms: 0, untilMs: 0 };
  let wallStartMs = WALL_START_MS + wallOffsetMs;

  const nowMs = (): number => (time.nowMs() - startedAtMs) * rate;
  const deliver = (run: () => void): void => {
    if (state === "running") run();
    else if (state === "frozen") waiting.push(run);
  };
  const after = (delayMs: number, run: () => void): Timer =>
    time.schedule(Math.max(TIMER_MIN_MS, delayMs) / rate, () => deliver(run));

  return {
    name,
    clock: {
      nowMs,
      wallMs: () => Math.floor(wallStartMs + time.nowMs() * rate),
      sleep: sleepOn(after),
    },
    state: () => state,
    deliver,
    after,
    freeze: () => {
      if (state !== "running") return;
      state = "frozen";
      frozenAtMs = nowMs();
    },
    thaw: () => {
      if (state !== "frozen") return;
      state = "running";
      lag = { ms: nowMs() - frozenAtMs, untilMs: nowMs() + LAG_SHOWN_MS };
      for (const run of waiting) time.schedule(0, () => deliver(run));
      waiting = [];
    },
    kill: () => {
      state = "dead";
      waiting = [];
    },
    lagMs: () => (nowMs() < lag.untilMs ? lag.ms : 0),
    stepWallClock: (byMs) => {
      wallStartMs += byMs;
    },
  };
}

function sleepOn(after: Host["after"]): Clock["sleep"] {
  return (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal === undefined) {
        after(delayMs, resolve);
        return;
      }
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const stop = (): void => {
        timer.cancel();
        reject(signal.reason as Error);
      };
      const timer = after(delayMs, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      signal.addEventListener("abort", stop, { once: true });
    });
}
