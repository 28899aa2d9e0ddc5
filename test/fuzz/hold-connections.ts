import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { AUTH, get } from "./corpus-entry.ts";
import { type GatewayChild, startGatewayChild } from "./gateway-child.ts";
import { openSlowClients } from "./slow-clients.ts";

export interface SlowResult {
  readonly clients: number;
  readonly calls: number;
  readonly failures: number;
  readonly p99BeforeMs: number;
  readonly p99DuringMs: number;
  /** From the last one's beginning until the last one was cut off. */
  readonly goneAfterMs: number;
}

export interface IdleResult {
  readonly connections: number;
  readonly rssBeforeMiB: number;
  readonly rssAfterMiB: number;
  readonly kibPerConnection: number;
  readonly nextRequestMs: number;
}

const CALLS_PER_SECOND = 200;
const WARM_UP_MS = 3_000;
const CALM_MS = 5_000;
const BYTE_EACH_MS = 1_000;
const OPENED_AT_ONCE = 200;
const CALLER_ADDRESSES = 60;
const PAGE_BYTES = 4_096;
const MIB = 1024 * 1024;

/** Clients that take their time beside calls at an even pace. */
export async function holdSlow(clients: number): Promise<SlowResult> {
  await using gateway = await startGatewayChild();
  const { agent } = gateway.ground;
  agent.behaviourOf.set("open@1", "answer-at-length");
  const warm = callEvenly(gateway.publicUrl);
  await delay(WARM_UP_MS);
  await warm.stop();
  const calm = callEvenly(gateway.publicUrl);
  await delay(CALM_MS);
  const before = await calm.stop();

  const during = callEvenly(gateway.publicUrl);
  const slow = await openSlowClients(gateway.publicUrl, clients, BYTE_EACH_MS);
  const openedAtMs = performance.now();
  while (slow.sending() > 0 || agent.abandoned < slow.reading) await delay(50);
  const goneAfterMs = Math.round(performance.now() - openedAtMs);
  const { latenciesMs, failures } = await during.stop();
  slow.close();
  return {
    clients,
    calls: latenciesMs.length,
    failures,
    p99BeforeMs: p99(before.latenciesMs),
    p99DuringMs: p99(latenciesMs),
    goneAfterMs,
  };
}

interface EvenCalls {
  readonly stop: () => Promise<{ latenciesMs: number[]; failures: number }>;
}

/** Each call begins when it is due, however long those before it take. */
function callEvenly(url: string): EvenCalls {
  const latenciesMs: number[] = [];
  const running = new Set<Promise<void>>();
  let failures = 0;
  const callOnce = async (): Promise<void> => {
    const startedAtMs = performance.now();
    const headers = { authorization: AUTH.slice("Authorization: ".length) };
    const answer = await fetch(`${url}/fn/demo/echo/`, { headers }).catch(() => undefined);
    await answer?.text();
    if (answer?.status !== 200) failures += 1;
    latenciesMs.push(performance.now() - startedAtMs);
  };
  const due = setInterval(() => {
    const call = callOnce().finally(() => running.delete(call));
    running.add(call);
  }, 1_000 / CALLS_PER_SECOND);
  return {
    stop: async () => {
      clearInterval(due);
      await Promise.all(running);
      return { latenciesMs, failures };
    },
  };
}

/** Connections that have asked once and wait. */
export async function holdIdle(connections: number): Promise<IdleResult> {
  await using gateway = await startGatewayChild();
  const warm = callEvenly(gateway.publicUrl);
  await delay(WARM_UP_MS);
  await warm.stop();
  const rssBeforeMiB = await rssMiB(gateway);
  const sockets: Socket[] = [];
  try {
    for (let first = 0; first < connections; first += OPENED_AT_ONCE) {
      const count = Math.min(OPENED_AT_ONCE, connections - first);
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: count }, (_, i) => openIdle(gateway, first + i)),
        )),
      );
    }
    const rssAfterMiB = await rssMiB(gateway);
    const startedAtMs = performance.now();
    await (await fetch(`${gateway.publicUrl}/healthz`)).text();
    return {
      connections: sockets.filter(({ destroyed }) => !destroyed).length,
      rssBeforeMiB,
      rssAfterMiB,
      kibPerConnection: rounded(((rssAfterMiB - rssBeforeMiB) * 1024) / connections),
      nextRequestMs: rounded(performance.now() - startedAtMs),
    };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function openIdle({ publicUrl }: GatewayChild, index: number): Promise<Socket> {
  const { hostname, port } = new URL(publicUrl);
  const localAddress = `127.0.0.${2 + (index % CALLER_ADDRESSES)}`;
  const socket = connect({ host: hostname, port: Number(port), localAddress });
  socket.on("error", () => socket.destroy());
  socket.write(get());
  await once(socket, "data");
  return socket;
}

/** As the kernel has it, where it says so. */
async function rssMiB({ process }: GatewayChild): Promise<number> {
  const [, pages = "0"] = (await readFile(`/proc/${process.pid}/statm`, "utf8")).split(" ");
  return rounded((Number(pages) * PAGE_BYTES) / MIB);
}

function p99(latenciesMs: readonly number[]): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return rounded(sorted[Math.floor(sorted.length * 0.99)] ?? 0);
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
