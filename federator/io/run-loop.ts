import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";

export interface Loop {
  /** Ends the present pause: the next turn begins at once, or right after the one that runs. */
  readonly wake: () => void;
  /** Resolves when the loop has ended, after its signal; never rejects. */
  readonly ended: Promise<void>;
}

export interface LoopOptions {
  readonly name: string;
  /** From the start of one turn to the start of the next; a turn that takes longer is followed by the next at once. */
  readonly intervalMs: number | (() => number);
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** One for all pauses: making an error, with its stack, at each waking would cost more than most turns. */
const PAUSE_IS_OVER = new Error("the pause is over");

/** Observe → decide → act, again and again at its own pace; a turn that fails is logged and the next one comes. */
export function runLoop(
  { name, intervalMs, clock, log, signal }: LoopOptions,
  turn: (signal: AbortSignal) => Promise<void> | void,
): Loop {
  let pause = new AbortController();
  let isWoken = false;
  const endPause = (): void => pause.abort(PAUSE_IS_OVER);
  signal.addEventListener("abort", endPause, { once: true });
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      isWoken = false;
      const startedAtMs = clock.nowMs();
      try {
        await turn(signal);
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error, loop: name }, "a turn failed");
      }
      if (isWoken || signal.aborted) continue;
      if (pause.signal.aborted) pause = new AbortController();
      const paceMs = typeof intervalMs === "number" ? intervalMs : intervalMs();
      const pauseMs = Math.max(0, startedAtMs + paceMs - clock.nowMs());
      await clock.sleep(pauseMs, pause.signal).catch(() => undefined);
    }
    signal.removeEventListener("abort", endPause);
  };
  return {
    wake: () => {
      isWoken = true;
      endPause();
    },
    ended: loop(),
  };
}
