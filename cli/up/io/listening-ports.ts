import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { createServer, type ListenOptions } from "node:net";

/** The first of the ports that another program has, found by taking each for a moment without SO_REUSEPORT. */
export async function findTakenPort(ports: readonly number[]): Promise<number | undefined> {
  const free = await Promise.all(ports.map((port) => canListen({ port })));
  return ports.find((_, index) => free[index] === false);
}

/** Whether several processes may listen on one port here. */
export const hasReusePort = (): Promise<boolean> => canListen({ port: 0, reusePort: true });

function canListen(options: ListenOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ ...options, host: "127.0.0.1" }, () => server.close(() => resolve(true)));
  });
}

/** Who listens on the port, as "process 123 (nginx)"; undefined where the system does not tell. */
export function holderOfPort(port: number): string | undefined {
  const sockets = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => listeningSockets(file, port)),
  );
  if (sockets.size === 0) return undefined;
  const pid = listFolder("/proc").find(
    (name) => /^\d+$/.test(name) && openFiles(name).some((target) => sockets.has(target)),
  );
  if (pid === undefined) return undefined;
  const [program = ""] = readText(`/proc/${pid}/cmdline`).split("\0");
  return `process ${pid} (${basename(program)})`;
}

const LISTENING = "0A";

function listeningSockets(file: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readText(file)
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(wanted) === true && fields[3] === LISTENING)
    .map((fields) => `socket:[${fields[9]}]`);
}

function openFiles(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  return listFolder(folder).flatMap((name) => {
    try {
      return [readlinkSync(`${folder}/${name}`)];
    } catch {
      return [];
    }
  });
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
