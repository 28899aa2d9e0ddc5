import { once } from "node:events";
import { createServer } from "node:net";

const TRIES_MAX = 20;

/** A port of 127.0.0.1 on which nobody listens now, and that nobody was given who still has it; it is noted as given. */
export async function freePort(inUse: Set<number>): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = await unusedPort();
    if (inUse.has(port)) continue;
    inUse.add(port);
    return port;
  }
  throw new Error("no port is free on 127.0.0.1");
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const closed = once(server, "close");
  server.close();
  await closed;
  if (address === null || typeof address === "string") throw new Error("a listener has no port");
  return address.port;
}
