import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const RETRY_MIN_MS = 2;
const RETRY_MAX_MS = 50;
/** Servers start faster than that or take their time: the wait grows with what has passed already. */
const RETRY_GROWTH = 1.3;

/** Resolves to true once something takes connections on the port, to false when it is not wanted any more. */
export async function whenListening(port: number, signal: AbortSignal): Promise<boolean> {
  let retryMs = RETRY_MIN_MS;
  while (!signal.aborted) {
    if (await takesConnection(port)) return !signal.aborted;
    await delay(retryMs, undefined, { signal }).catch(() => undefined);
    retryMs = Math.min(RETRY_MAX_MS, retryMs * RETRY_GROWTH);
  }
  return false;
}

function takesConnection(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1");
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}
