import { holdsSockets, readSocketTables } from "./runtime-api/own-connection.ts";

/** Where a connection to 127.0.0.1 arrives, as the kernel prints it on little-endian machines: that address, or any, of IPv4 or through IPv6. */
const ADDRESSES: ReadonlySet<string> = new Set([
  "0100007F",
  "00000000",
  "0000000000000000FFFF00000100007F",
  "0".repeat(32),
]);
/** TCP_LISTEN of the kernel's include/net/tcp_states.h. */
const LISTENING = "0A";

/**
 * Whether all that listens on the port belongs to the process or to one it started: a program that took the port first would be given
 * the calls of a function. True where there is no /proc to ask.
 */
export async function isOwnListener(pid: number, port: number): Promise<boolean> {
  const tables = await readSocketTables();
  return holdsSockets(
    pid,
    tables.flatMap((table) => listenersOn(table, port)),
  );
}

/** The inodes, from lines of number, local address, remote address, state and, in the tenth column, inode. */
function listenersOn(table: string, port: number): readonly string[] {
  const sought = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address = "", at] = local.split(":");
    const isSought = at === sought && state === LISTENING && ADDRESSES.has(address);
    return isSought && inode !== undefined ? [inode] : [];
  });
}
