import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, request } from "undici";
import { AUTH, get } from "./corpus-entry.ts";
import { type GatewayChild, startGatewayChild } from "./gateway-child.ts";
import { openSlowClients } from "./slow-clients.ts";

export interface SlowResult {
  readonly clients: number;
  readonly calls: number;
  readonly failures: number;
  /** Why, and how often. */
  readonly reasons: string;
  readonly p99BeforeMs: number;
  /** While they open, and fill every buffer there is. */
  readonly p99OpeningMs: number;
  /** From when all are there until all are gone. */
  readonly p99HeldMs: number;
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
const CALLING_CONNECTIONS = 32;
const WARM_UP_MS = 3_000;
const CALM_MS = 5_000;
/** Connections of the even calls come and go. */
const LEFT_OVER_SHARE = 0.05;
const BYTE_EACH_MS = 1_000;
const OPENED_AT_ONCE = 200;
const CALLER_ADDRESSES = 60;
const PAGE_BYTES = 4_096;
const MIB = 1024 * 1024;

/** Clients that take their time beside calls at an even pace. */
export async function holdSlow(clients: number): Promise<SlowResult> {
  using agent = await startAgent();
  await using gateway = await startGatewayChild(agent.url);
  const warm = callEvenly(gateway.publicUrl);
  await delay(WARM_UP_MS);
  await warm.stop();
  const calm = callEvenly(gateway.publicUrl);
  await delay(CALM_MS);
  const before = await calm.stop();

  const openBefore = await openFiles(gateway);
  const opening = callEvenly(gateway.publicUrl);
  const slow = await openSlowClients(gateway.publicUrl, clients, BYTE_EACH_MS);
  const openedAtMs = performance.now();
  const begun = await opening.stop();

  const holding = callEvenly(gateway.publicUrl);
  const borneAtMost = openBefore + clients * LEFT_OVER_SHARE;
  while (slow.sending() > 0 || (await openFiles(gateway)) > borneAtMost) await delay(100);
  const goneAfterMs = Math.round(performance.now() - openedAtMs);
  const held = await holding.stop();
  slow.close();
  return {
    clients,
    calls: begun.latenciesMs.length + held.latenciesMs.length,
    failures: begun.failures.length + held.failures.length,
    reasons: countEach([...begun.failures, ...held.failures]),
    p99BeforeMs: p99(before.latenciesMs),
    p99OpeningMs: p99(begun.latenciesMs),
    p99HeldMs: p99(held.latenciesMs),
    goneAfterMs,
  };
}

async function startAgent(): Promise<Disposable & { readonly url: string }> {
  const child = fork(join(import.meta.dirname, "agent-process.ts"));
  const [url] = await once(child, "message");
  return { url: String(url), [Symbol.dispose]: () => child.disconnect() };
}

interface EvenCalls {
  readonly stop: () => Promise<{ latenciesMs: number[]; failures: string[] }>;
}

/** Each call begins when it is due, however long those before it take. */
function callEvenly(url: string): EvenCalls {
  const latenciesMs: number[] = [];
  const running = new Set<Promise<void>>();
  const headers = { authorization: AUTH.slice("Authorization: ".length) };
  const dispatcher = new Agent({ connections: CALLING_CONNECTIONS });
  const failures: string[] = [];
  const callOnce = async (): Promise<void> => {
    const startedAtMs = performance.now();
    try {
      const { statusCode, body } = await request(`${url}/fn/demo/echo/`, { headers, dispatcher });
      const text = await body.text();
      if (statusCode !== 200) failures.push(`${statusCode} ${codeIn(text)}`);
    } catch (error) {
      failures.push(String(error));
    }
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
      await dispatcher.close();
      return { latenciesMs, failures };
    },
  };
}

const codeIn = (problem: string): string => /"code":"(\w+)"/.exec(problem)?.[1] ?? "";

function countEach(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return Array.from(counts, ([reason, count]) => `${count} ${reason}`).join(", ");
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

/** Those that read say nothing when they are cut off, so the gateway's own side is counted. */
const openFiles = async ({ process }: GatewayChild): Promise<number> =>
  (await readdir(`/proc/${process.pid}/fd`)).length;

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
