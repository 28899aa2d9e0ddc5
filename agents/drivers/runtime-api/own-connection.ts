import { readdir, readFile, readlink } from "node:fs/promises";

/** A connection between two processes of this machine, as the one that accepted it sees it. */
export interface LoopbackConnection {
  /** Of 127.0.0.0/8; who connects to it does so from 127.0.0.1. */
  readonly localAddress: string;
  readonly localPort: number;
  readonly remotePort: number;
}

const LOOPBACK = "127.0.0.1";
/** Java, for one, speaks IPv4 through sockets of IPv6. */
const MAPPED = "0000000000000000FFFF0000";
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
  const tables = await readSocketTables();
  if (tables.length === 0) return true;
  const inode = tables
    .map((table) => inodeOf(table, connection))
    .find((found) => found !== undefined);
  return inode !== undefined && holdsSockets(pid, [inode]);
}

/** Those of IPv4 and IPv6; none where there is no /proc to ask. */
export async function readSocketTables(): Promise<readonly string[]> {
  const paths = ["/proc/net/tcp", "/proc/net/tcp6"];
  const tables = await Promise.all(paths.map((path) => readFile(path, "latin1").catch(() => "")));
  return tables.filter((table) => table !== "");
}

/** Whether each of the sockets belongs to the process or to one it started. */
export async function holdsSockets(pid: number, inodes: readonly string[]): Promise<boolean> {
  const sought = new Set(inodes);
  for (const member of await processTree(pid)) {
    for (const inode of await socketsOf(member)) sought.delete(inode);
    if (sought.size === 0) return true;
  }
  return sought.size === 0;
}

/** Of the far end's socket: the tenth column of its line, which has local and remote address as its second and third. */
function inodeOf(
  table: string,
  { localAddress, localPort, remotePort }: LoopbackConnection,
): string | undefined {
  const [from, to] = [hexAddress(LOOPBACK), hexAddress(localAddress)];
  for (const prefix of ["", MAPPED]) {
    const ends = ` ${prefix}${from}:${hexPort(remotePort)} ${prefix}${to}:${hexPort(localPort)} `;
    const at = table.indexOf(ends);
    // Searched as text: the table has a line for every connection of the machine.
    if (at >= 0) return table.slice(at, table.indexOf("\n", at)).trim().split(/\s+/)[8];
  }
  return undefined;
}

/** As the kernel prints it on the little-endian machines we have. */
const hexAddress = (address: string): string =>
  Buffer.from(address.split(".").map(Number).toReversed()).toString("hex").toUpperCase();

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

async function socketsOf(pid: number): Promise<readonly string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "")),
  );
  return links.flatMap((link) => /^socket:\[([0-9]+)\]$/.exec(link)?.[1] ?? []);
}
