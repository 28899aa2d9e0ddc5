import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import { cpuMicros } from "../measure-cpu.ts";
import { accepts, endChild } from "../peers/child-server.ts";
import { startNginxStreams } from "../peers/nginx.ts";
import type { BenchReport } from "../report.ts";
import type { RoundOptions } from "../run-rounds.ts";
import { type BenchFederation, startFederation } from "../start-federation.ts";
import { sendBytes, type StreamTarget, takeBytes } from "../stream/transfer.ts";
import { watchMemory } from "../stream/watch-memory.ts";

const FUNCTION = join(import.meta.dirname, "../stream/function");
const ZONE = "eu-west";
const GIBIBYTE = 1024 ** 3;
/** Sent first, so that what a process needs at all is there when the watch begins. */
const WARM_BYTES = 64 * 1024 * 1024;
const MEGABYTE = 1_000_000;
/** Issue 5, point 2. */
const GROWTH_MAX_MEBIBYTES = 64;

interface Way {
  readonly name: string;
  readonly target: StreamTarget;
  /** Whose memory is watched, by name. */
  readonly pids: Readonly<Record<string, number>>;
}

interface Transfer {
  readonly way: string;
  readonly direction: "up" | "down";
  readonly megabytesPerSecond: number;
  readonly growthMebibytes: Readonly<Record<string, number>>;
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

/** 1 GiB up and 1 GiB down through gateway and agent to a function that is a server; the same server by itself, and behind nginx. */
export async function benchStream({ rounds, tell }: RoundOptions): Promise<BenchReport> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "meridian-bench-peers-"));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  tell("starting a federation");
  const federation = await startFederation();
  opened.defer(federation.stop);
  const ways = [await wayThroughGateway(federation)];

  const port = await freePorts(1);
  const server = spawn(process.execPath, [join(FUNCTION, "server.mjs")], {
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  opened.defer(() => endChild(server));
  await accepts(server, port);
  const upstreamUrl = `http://127.0.0.1:${port}/`;
  ways.push({ name: "direct", target: { url: upstreamUrl, headers: {} }, pids: {} });
  const nginx = await startNginxStreams({ upstreamUrl, headers: {}, folder });
  const notes = ["each transfer is one request; the client is one process of its own"];
  if (nginx.kind === "missing") notes.push(`without nginx: ${nginx.reason}`);
  else {
    const { url, pids, stop } = nginx.peer;
    opened.defer(stop);
    ways.push({ name: "nginx", target: { url, headers: {} }, pids: { nginx: pids[0] ?? 0 } });
  }

  const transfers: Transfer[] = [];
  for (let round = 0; round < rounds; round += 1)
    for (const way of ways) {
      tell(`round ${round + 1} of ${rounds}: ${way.name}`);
      transfers.push(await transfer(way, "up", sendBytes), await transfer(way, "down", takeBytes));
    }
  return report(transfers, notes);
}

async function wayThroughGateway(federation: BenchFederation): Promise<Way> {
  await federation.meridian("deploy", FUNCTION, "--name", "bench-stream", "--tenant", "demo");
  const gateway = await federation.endpoint(ZONE, "gateway");
  const agent = await federation.endpoint(ZONE, "agent");
  const apiKey = federation.credentials.tenants["demo"]?.apiKey;
  return {
    name: "gateway and agent",
    target: {
      url: `${gateway.urls.public}/fn/demo/bench-stream/`,
      headers: { authorization: `Bearer ${apiKey}` },
    },
    pids: { gateway: gateway.pid, agent: agent.pid },
  };
}

async function transfer(
  { name, target, pids }: Way,
  direction: Transfer["direction"],
  move: (target: StreamTarget, bytes: number) => Promise<number>,
): Promise<Transfer> {
  await move(target, WARM_BYTES);
  const watch = watchMemory(Object.values(pids));
  const before = cpuSecondsOf(pids);
  const seconds = await move(target, GIBIBYTE);
  const growth = watch.stop();
  const after = cpuSecondsOf(pids);
  return {
    way: name,
    direction,
    megabytesPerSecond: GIBIBYTE / MEGABYTE / seconds,
    growthMebibytes: Object.fromEntries(
      Object.keys(pids).map((one, index) => [one, growth[index] ?? 0]),
    ),
    cpuSeconds: Object.fromEntries(
      Object.entries(after).map(([one, used]) => [one, used - (before[one] ?? 0)]),
    ),
  };
}

const cpuSecondsOf = (pids: Way["pids"]): Record<string, number> =>
  Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => [name, (cpuMicros([pid]) ?? 0) / 1_000_000]),
  );

const eachOf = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([name, figure]) => `${name} ${figure.toFixed(1)}`)
    .join(", ");

function report(transfers: readonly Transfer[], notes: readonly string[]): BenchReport {
  const rows = transfers.map((one) => [
    one.way,
    one.direction,
    one.megabytesPerSecond.toFixed(0),
    eachOf(one.growthMebibytes),
    eachOf(one.cpuSeconds),
  ]);
  return {
    tables: [
      {
        title: "1 GiB in one body",
        heads: ["way", "direction", "MB/s", "RSS growth, MiB", "CPU, s"],
        rows,
      },
    ],
    notes: [...notes, `promised: a growth of at most ${GROWTH_MAX_MEBIBYTES} MiB`],
    result: { transfers },
  };
}
