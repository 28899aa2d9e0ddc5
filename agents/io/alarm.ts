import type { Clock } from "#lib/ports/clock.ts";

export interface Alarm {
  /** Rings at `atMs` or earlier: a later time than the one it is set for does not move it. */
  readonly setFor: (atMs: number) => void;
  readonly isSet: () => boolean;
  readonly cancel: () => void;
}

/** One timer that may ring early, so that what is put off at every call need not move it at every call. */
export function alarm(clock: Clock, onRing: () => void): Alarm {
  let timer: NodeJS.Timeout | undefined;
  let setForMs = Number.POSITIVE_INFINITY;
  const cancel = (): void => {
    clearTimeout(timer);
    setForMs = Number.POSITIVE_INFINITY;
  };
  return {
    cancel,
    isSet: () => setForMs !== Number.POSITIVE_INFINITY,
    setFor: (atMs) => {
      if (atMs >= setForMs) return;
      cancel();
      setForMs = atMs;
      timer = setTimeout(
        () => {
          setForMs = Number.POSITIVE_INFINITY;
          onRing();
        },
        Math.max(0, Math.ceil(atMs - clock.nowMs())),
      );
    },
  };
}
