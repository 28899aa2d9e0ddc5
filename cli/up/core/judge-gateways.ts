/** How often `up` looks after its programs. */
export const TICK_MS = 50;
/** Beats come each 200 ms: a gateway silent for less than two of them serves. */
export const LIVELY_MS = 400;
/** A gateway silent and idle for this long while others serve is withdrawn, so that a frozen one is gone within a second. */
export const SILENCE_LIMIT_MS = 900;
/** Silence that no load explains: not even where nobody else serves, or it is at work. */
export const HANG_LIMIT_MS = 5_000;
/** From its start to its first sign of life, and between any two until it is ready: its modules are loaded in one go. */
export const START_LIMIT_MS = 20_000;

/** Of the gateways that should run, one. */
export interface WatchedGateway {
  /** Its zone. */
  readonly group: string;
  /** Among those of its zone. */
  readonly name: string;
  /** One that died and was not started yet is `absent`. */
  readonly state: "absent" | "starting" | "ready";
  /** Since its last sign of life, in `up`'s own ticks. */
  readonly silentMs: number;
  /** Processor time went into it while it was silent: it has much to do, where a frozen one does nothing. */
  readonly isWorking: boolean;
}

/**
 * Silence so far, after one more tick without a beat. A tick counts no more than its normal length: while `up` itself was stalled
 * or the machine slept, nobody was listened to, beats are waiting to be read, and nobody may be killed for that.
 */
export const addSilence = (silentMs: number, sinceLastTickMs: number): number =>
  silentMs + Math.min(Math.max(sinceLastTickMs, 0), TICK_MS);

/**
 * The gateway that is to be withdrawn now; at most one at a time, the most silent first. Silence of several at once is the
 * machine's rather than theirs: as long as nobody else serves, or one is being replaced, only a certain hang counts.
 */
export function gatewayToWithdraw(gateways: readonly WatchedGateway[]): WatchedGateway | undefined {
  const mostSilentFirst = gateways.toSorted((one, other) => other.silentMs - one.silentMs);
  return mostSilentFirst.find((gateway) => mustGo(gateway, gateways));
}

function mustGo(gateway: WatchedGateway, gateways: readonly WatchedGateway[]): boolean {
  const others = gateways.filter((other) => other !== gateway);
  const someServe = others.some(({ state, silentMs }) => state === "ready" && silentMs < LIVELY_MS);
  const noneIsReplaced = others.every(({ state }) => state === "ready");
  switch (gateway.state) {
    case "absent":
      return false;
    case "starting":
      // It serves nobody yet.
      return gateway.silentMs >= START_LIMIT_MS;
    case "ready":
      return (
        (gateway.silentMs >= SILENCE_LIMIT_MS &&
          !gateway.isWorking &&
          someServe &&
          noneIsReplaced) ||
        (gateway.silentMs >= HANG_LIMIT_MS && (someServe || noneIsReplaced))
      );
  }
}
