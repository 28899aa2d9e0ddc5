import { type Server, Server as NetServer } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";

interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly reusePort?: boolean;
}

export async function listen(server: Server, address: ListenAddress): Promise<void> {
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.listen(address, () => bound.resolve());
  await bound.promise;
  server.removeListener("error", bound.reject);
}

/** A turn of the loop that is this short, and in which nobody was accepted, leaves nobody waiting. */
const QUIET_TURN_MS = 0.2;
const TURNS_MAX = 1_000;

/**
 * Stops listening, and resolves when all its connections have closed. The kernel resets whoever waits to be accepted on a socket that
 * closes, also where others listen on its port: so the moment is one at which nobody does. `http.Server.close` would besides reset
 * idle connections at once, under requests that are on their way.
 */
export async function stopListening(server: Server): Promise<void> {
  let accepted = 0;
  const count = (): void => {
    accepted += 1;
  };
  server.on("connection", count);
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const before = accepted;
    const startMs = performance.now();
    await nextTurn();
    if (accepted === before && performance.now() - startMs < QUIET_TURN_MS) break;
  }
  server.off("connection", count);
  const closed = Promise.withResolvers<void>();
  NetServer.prototype.close.call(server, () => closed.resolve());
  await closed.promise;
}

/** Where the system cannot share a port, the first gateway has it alone, and it is said. */
export async function listenShared(
  server: Server,
  { host, port }: ListenAddress,
  log: Logger,
): Promise<boolean> {
  try {
    await listen(server, { host, port, reusePort: true });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTSUP" && code !== "EINVAL" && code !== "ENOPROTOOPT") throw error;
  }
  try {
    await listen(server, { host, port });
    log.warn({ port }, "this system cannot share a port: this gateway has it alone");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    log.warn({ port }, "this system cannot share a port: another gateway has it");
    return false;
  }
}

/** The port that was given, where any free one was asked for. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("the server does not listen");
  return address.port;
}
