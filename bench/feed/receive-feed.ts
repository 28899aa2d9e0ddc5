import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import type { ReceivePlan, ReceiveResult, Stamps } from "./receive-plan.ts";

/*
 * Many receivers of one feed, in a process of their own so that their work is not counted as the server's: the plan as the first
 * line on standard input, `ready` on standard output when all have heard something, the stamps as the second line, the result.
 * Raw sockets and no parsing but for positions, so that it is not what is measured.
 */
const POSITION = /"position":\{"incarnation":"([^"]*)","revision":(\d+)/g;
const DOWN = /"downClusters":\["(down)-(\d+)"/g;
const CONNECTING_AT_ONCE = 50;
const ACK_INTERVAL_MS = 1_000;
/** Receivers that share one connection for their acknowledgements. */
const ACKS_PER_CONNECTION = 50;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const plan: ReceivePlan = JSON.parse(String((await lines.next()).value));
const { hostname, port } = new URL(plan.url);
if (hostname !== "127.0.0.1") throw new Error("load is made on this machine alone");
const headers = Object.entries(plan.headers)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join("");

/** When each receiver got each revision. */
const arrivals = new Map<number, number[]>();
const newest: { incarnation: string; revision: number }[] = [];
const sockets: Socket[] = [];

for (let first = 0; first < plan.receivers; first += CONNECTING_AT_ONCE) {
  const count = Math.min(CONNECTING_AT_ONCE, plan.receivers - first);
  await Promise.all(Array.from({ length: count }, (_, index) => receive(first + index)));
}
if (plan.acknowledges) void acknowledge();
process.stdout.write("ready\n");

const stamps: Stamps = JSON.parse(String((await lines.next()).value));
const result = judge(stamps);
process.stdout.write(`${JSON.stringify(result)}\n`);
for (const socket of sockets) socket.destroy();
process.exit(0);

/** Resolves with the first bytes. */
function receive(index: number): Promise<void> {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  sockets.push(socket);
  const path = `/internal/feed?receiver=${plan.name}.${index}`;
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${headers}\r\n`);
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.on("data", (chunk: Buffer) => {
      resolve();
      const atMs = machineNowMs();
      const marks = plan.awaits === "overlay" ? DOWN : POSITION;
      for (const [, incarnation = "", digits] of chunk.toString("latin1").matchAll(marks)) {
        const revision = Number(digits);
        // A heartbeat repeats the overlay.
        if (plan.awaits === "overlay" && newest[index]?.revision === revision) continue;
        newest[index] = { incarnation, revision };
        const known = arrivals.get(revision);
        if (known === undefined) arrivals.set(revision, [atMs]);
        else known.push(atMs);
      }
    });
  });
}

/** Spread over the second, as receivers that started at different times are. */
async function acknowledge(): Promise<void> {
  const senders = Array.from({ length: Math.ceil(plan.receivers / ACKS_PER_CONNECTION) }, () => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.on("data", () => undefined);
    sockets.push(socket);
    return socket;
  });
  for (;;) {
    for (const [index, position] of newest.entries()) {
      if (position === undefined) continue;
      const receiver = `${plan.name}.${index}`;
      const body = JSON.stringify({ receiver, nonce: 0, position });
      senders[index % senders.length]?.write(
        `POST /internal/feed/acks HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${headers}` +
          `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      if (index % 20 === 19) await delay((ACK_INTERVAL_MS * 20) / plan.receivers);
    }
    await delay(1);
  }
}

function judge(sent: Stamps): ReceiveResult {
  const each: number[] = [];
  const all: number[] = [];
  let incomplete = 0;
  for (const [revision, atMs] of sent) {
    const known = arrivals.get(revision) ?? [];
    for (const arrivedMs of known) each.push(arrivedMs - atMs);
    if (known.length < plan.receivers) incomplete += 1;
    else all.push(Math.max(...known) - atMs);
  }
  return {
    deliveries: each.length,
    incomplete,
    p50Micros: percentile(each, 0.5),
    p99Micros: percentile(each, 0.99),
    allP50Micros: percentile(all, 0.5),
    allP99Micros: percentile(all, 0.99),
  };
}

function percentile(milliseconds: number[], share: number): number {
  const sorted = milliseconds.toSorted((one, other) => one - other);
  return Math.round(
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 1_000,
  );
}
