import type { Server } from "node:net";
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
