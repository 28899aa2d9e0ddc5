import { readdir, readFile, readlink } from "node:fs/promises";

/** A connection between two processes of this machine, as the one that accepted it sees it. */
export interface LoopbackConnection {
  readonly localPort: number;
  readonly remotePort: number;
}

const LOOPBACK = "0100007F";
/** Java, for one, speaks IPv4 through sockets of IPv6. */
const MAPPED_LOOPBACK = "0000000000000000FFFF00000100007F";
/** A process tree that is larger is not searched to its end. */
const PROCESSES_MAX = 256;

/**
 * Whether the far end belongs to the process or to one it started: everybody on the machine can reach a port of 127.0.0.1, and
 * the Runtime API knows no passwords. True where there is no /proc to ask.
 */
export async function isOwnConnection(
  pid: number,
  connection: LoopbackConnection,
): Promise<boolean> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readFile(path, "latin1").catch(() => "")),
  );
  if (tables.every((table) => table === "")) return true;
  const inode = tables
    .map((table) => inodeOf(table, connection))
    .find((found) => found !== undefined);
  if (inode === undefined) return false;
  for (const member of await processTree(pid)) if (await holdsSocket(member, inode)) return true;
  return false;
}

/** Of the far end's socket: the tenth column of its line, which has local and remote address as its second and third. */
function inodeOf(table: string, { localPort, remotePort }: LoopbackConnection): string | undefined {
  for (const address of [LOOPBACK, MAPPED_LOOPBACK]) {
    const ends = ` ${address}:${hexPort(remotePort)} ${address}:${hexPort(localPort)} `;
    const at = table.indexOf(ends);
    // Searched as text: the table has a line for every connection of the machine.
    if (at >= 0) return table.slice(at, table.indexOf("\n", at)).trim().split(/\s+/)[8];
  }
  return undefined;
}

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");

async function processTree(root: number): Promise<readonly number[]> {
  const members = [root];
  for (let next = 0; next < members.length && members.length < PROCESSES_MAX; next += 1)
    members.push(...(await childrenOf(members[next] ?? root)));
  return members;
}

/** A child belongs to the thread that started it. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) =>
      readFile(`/proc/${pid}/task/${thread}/children`, "latin1").catch(() => ""),
    ),
  );
  return lists.flatMap((list) =>
    list
      .split(" ")
      .filter((child) => child !== "")
      .map(Number),
  );
}

async function holdsSocket(pid: number, inode: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "")),
  );
  return links.includes(`socket:[${inode}]`);
}
