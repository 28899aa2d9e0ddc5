import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { AUTH, HOST, INVOKE } from "./corpus-entry.ts";

/** Where a client takes its time. `open` is a function whose answers are longer than the system's buffers. */
const KINDS = ["headers", "body", "headers", "body", "reading"] as const;
type Slowness = (typeof KINDS)[number];

export interface SlowClients {
  /** So many take their time while they send; those that read say nothing when they are cut off. */
  readonly sending: () => number;
  readonly reading: number;
  readonly close: () => void;
}

const BEGINNINGS: Readonly<Record<Slowness, string>> = {
  headers: `GET /healthz HTTP/1.1\r\n${HOST}\r\nX-Slow: `,
  body: `POST ${INVOKE} HTTP/1.1\r\n${HOST}\r\n${AUTH}\r\nContent-Length: 1000000\r\n\r\n`,
  reading: `GET /fn/demo/open/ HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n\r\n`,
};
const CALLER_ADDRESSES = 60;
/** All at once would be a burst, which is another test. */
const OPENED_AT_ONCE = 50;
const OPENED_EACH_MS = 100;

/** Clients that send a byte every `paceMs`, or such that never read their answer, which are fewer as each fills megabytes of buffers. */
export async function openSlowClients(
  url: string,
  count: number,
  paceMs: number,
): Promise<SlowClients> {
  const sending = new Set<Socket>();
  const readers = new Set<Socket>();
  let readersOpened = 0;
  const openOne = async (index: number): Promise<void> => {
    const kind = KINDS[index % KINDS.length] ?? "headers";
    const socket = await opened(url, `127.0.0.${2 + (index % CALLER_ADDRESSES)}`);
    const group = kind === "reading" ? readers : sending;
    group.add(socket);
    if (kind === "reading") readersOpened += 1;
    socket.once("close", () => group.delete(socket));
    socket.write(BEGINNINGS[kind]);
    if (kind !== "reading") socket.resume();
  };
  const trickling = setInterval(() => {
    for (const socket of sending) socket.write("x");
  }, paceMs);
  for (let first = 0; first < count; first += OPENED_AT_ONCE) {
    const batch = Math.min(OPENED_AT_ONCE, count - first);
    await Promise.all(Array.from({ length: batch }, (_, index) => openOne(first + index)));
    await delay(OPENED_EACH_MS);
  }
  return {
    sending: () => sending.size,
    reading: readersOpened,
    close: () => {
      clearInterval(trickling);
      for (const socket of [...sending, ...readers]) socket.destroy();
    },
  };
}

function opened(url: string, localAddress: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), localAddress }, () => {
      socket.off("error", reject).on("error", () => socket.destroy());
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
