import { once } from "node:events";
import { createServer, type Server } from "node:net";

const FIRST_PORT = 20_000;
const PORTS = 10_000;
const TRIES = 50;

/** The first of `count` free loopback ports in a row, below those that the system gives to clients, who might take one. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const first = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await areFree(first, count)) return first;
  }
  throw new Error(`no ${count} free ports in a row were found`);
}

async function areFree(first: number, count: number): Promise<boolean> {
  const servers: Server[] = [];
  try {
    for (let port = first; port < first + count; port += 1) {
      const server = createServer().listen(port, "127.0.0.1");
      servers.push(server);
      await once(server, "listening");
    }
    return true;
  } catch {
    return false;
  } finally {
    for (const server of servers) server.close();
  }
}
