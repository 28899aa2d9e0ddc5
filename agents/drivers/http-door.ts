import { Agent } from "node:http";
import type { InstanceEnd } from "../core/function-error.ts";
import type { Door, Doorway, Room } from "./door.ts";
import { freePort } from "./free-port.ts";
import { type HttpCall, startHttpCall } from "./http-call.ts";
import { notBegun } from "./not-begun.ts";
import { isOwnListener } from "./own-listener.ts";
import { whenListening } from "./when-listening.ts";

/** Nobody reuses a connection that a server may be about to close: those that common ones keep stay for two seconds and more. */
const IDLE_CONNECTION_MS = 1_000;
const IDLE_CONNECTIONS_MAX = 16;
/** A call may have brought too little time for any server; one that answers nobody for so long hangs. */
const SILENCE_MAX_MS = 1_000;
/** After the process ended, what it had sent may still be on its way. */
const LAST_WORDS_MS = 200;
const LAST_WORDS_CHECK_MS = 5;

/** The way into versions that are servers: requests to the port of 127.0.0.1 that each is told in `PORT`. */
export function httpDoorway(): Doorway {
  const portsInUse = new Set<number>();
  return {
    open: (room) => httpDoor(room, portsInUse),
    close: () => Promise.resolve(),
  };
}

function httpDoor(room: Room, portsInUse: Set<number>): Door {
  const reserved = freePort(portsInUse);
  const agent = new Agent({
    keepAlive: true,
    timeout: IDLE_CONNECTION_MS,
    maxFreeSockets: IDLE_CONNECTIONS_MAX,
  });
  const calls = new Set<HttpCall>();
  const closing = new AbortController();
  let port: number | undefined;
  let end: InstanceEnd | undefined;
  /** When the first call came that it has answered neither itself nor any later one; undefined where it answers. */
  let silentSinceMs: number | undefined;

  const settings = reserved.then((given) => ({ environment: { PORT: String(given) } }));
  settings.catch(() => undefined);

  return {
    settings,
    awaited: "the server took no connection on 127.0.0.1, at the port that PORT names, in time",
    onProcess: (pid) => {
      void reserved.then(async (given) => {
        if (!(await whenListening(given, closing.signal))) return;
        if (!(await isOwnListener(pid, given))) return room.onRefused(portTaken(given));
        if (closing.signal.aborted) return;
        port = given;
        room.onReady();
      });
    },
    invoke: (header, input) => {
      if (port === undefined || end !== undefined || input.kind !== "request") return notBegun();
      silentSinceMs ??= performance.now();
      const call = startHttpCall(port, header, input.request, {
        agent,
        onHeard: () => {
          silentSinceMs = undefined;
        },
        endOfInstance: () => end,
        onOver: () => calls.delete(call),
      });
      calls.add(call);
      return {
        outcome: call.outcome,
        cancel: call.breakOff,
        abandon: () => {
          call.breakOff();
          // For one slow call the others need not suffer.
          return silentSinceMs === undefined || performance.now() - silentSinceMs < SILENCE_MAX_MS;
        },
      };
    },
    drained: () => lastWords(calls),
    close: (instanceEnd) => {
      end = instanceEnd;
      closing.abort();
      for (const call of calls) call.onInstanceEnd(instanceEnd);
      agent.destroy();
      void reserved.then(
        (given) => portsInUse.delete(given),
        () => undefined,
      );
    },
  };
}

const portTaken = (port: number): string =>
  `another program took the port ${port} of 127.0.0.1, which was the server's; the next start has another one`;

/** Resolves when no call waits for its answer any more, or soon. */
async function lastWords(calls: ReadonlySet<HttpCall>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const limit = setTimeout(resolve, LAST_WORDS_MS);
  const check = setInterval(() => {
    if ([...calls].every((call) => !call.isOpen())) resolve();
  }, LAST_WORDS_CHECK_MS);
  if ([...calls].every((call) => !call.isOpen())) resolve();
  await promise;
  clearTimeout(limit);
  clearInterval(check);
}
