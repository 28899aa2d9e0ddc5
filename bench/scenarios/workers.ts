import { freePorts } from "#lib/io/free-ports.ts";
import { makeBenchFolder } from "../gateway/bench-folder.ts";
import { runRounds, type Way, type WayRounds } from "../gateway/rounds.ts";
import type { BenchProgram } from "../gateway/run-program.ts";
import {
  ANSWER,
  BODY,
  callOf,
  LOAD_CORE,
  NOT_IDEMPOTENT,
  PROXY_CORE,
  startGateway,
  WARMUP_REQUESTS,
} from "../gateway/setting.ts";
import { startStandIn } from "../gateway/stand-in.ts";
import type { BenchReport } from "../report.ts";
import type { GatewayBenchOptions } from "./gateway.ts";

const STEADY_PER_SECOND = 1_000;
/** What several workers may cost a request more than one does. */
const MORE_MAX_PERCENT = 5;

/** What a request costs a zone's gateway alone, and where two of them share its port. */
export async function benchWorkers(options: GatewayBenchOptions): Promise<BenchReport> {
  await using opened = new AsyncDisposableStack();
  const bootFolder = await makeBenchFolder();
  opened.defer(bootFolder.remove);
  const standIn = await startStandIn({
    bootToken: bootFolder.bootToken,
    answer: ANSWER,
    requestBytes: Buffer.byteLength(BODY),
    core: LOAD_CORE,
  });
  opened.defer(standIn.stop);
  const ways: Way[] = [];
  for (const workers of [1, 2]) {
    const publicPort = await freePorts(1);
    const programs: BenchProgram[] = [];
    for (let worker = 1; worker <= workers; worker += 1) {
      const settings = { publicPort, sharesPublicPort: true, worker, workers };
      const name = `${workers}-${worker}`;
      const program = await startGateway(bootFolder, name, standIn.linkUrls, standIn, [], settings);
      opened.defer(program.stop);
      programs.push(program);
    }
    ways.push(wayOf(workers, programs));
  }

  const results = await runRounds(ways, {
    ...options,
    body: BODY,
    warmupRequests: WARMUP_REQUESTS * 2,
    steadyPerSecond: STEADY_PER_SECOND,
    core: LOAD_CORE,
  });
  const rows = results.map(toRow);
  const [one, two] = rows;
  const morePercent =
    one === undefined || two === undefined
      ? 0
      : (two.cpuMicrosPerRequest / one.cpuMicrosPerRequest - 1) * 100;
  return {
    tables: [
      {
        title: "At full load, and at a steady rate",
        heads: ["gateway", "CPU µs/request", "requests/s", "p99 µs", "steady CPU", "steady p99 µs"],
        rows: rows.map((row) => [
          row.name,
          row.cpuMicrosPerRequest.toFixed(1),
          String(Math.round(row.requestsPerSecond)),
          String(Math.round(row.p99Micros)),
          row.steadyCpuMicros.toFixed(1),
          String(Math.round(row.steadyP99Micros)),
        ]),
      },
    ],
    notes: [
      `with two workers a request costs ${morePercent.toFixed(1)} % more; allowed ±${MORE_MAX_PERCENT} %`,
      `medians of ${options.rounds} interleaved rounds of ${options.secondsPerRound} s, ${options.connections} connections; all gateways on ${PROXY_CORE === undefined ? "whichever core is free" : `core ${PROXY_CORE}`}, steady: ${STEADY_PER_SECOND} requests/s`,
    ],
    result: { ...options, rows, morePercent, passed: Math.abs(morePercent) <= MORE_MAX_PERCENT },
  };
}

function wayOf(workers: number, programs: readonly BenchProgram[]): Way {
  const url = programs[0]?.endpoint.urls.public ?? "";
  const name = workers === 1 ? "one worker" : `${workers} workers on one port`;
  return { name, ...callOf(url, NOT_IDEMPOTENT), pids: programs.map(({ pid }) => pid) };
}

function toRow({ way, full, steady }: WayRounds) {
  return {
    name: way.name,
    cpuMicrosPerRequest: median(full.map((one) => one.cpuMicrosPerRequest)),
    requestsPerSecond: median(full.map((one) => one.requestsPerSecond)),
    p99Micros: median(full.map((one) => one.p99Micros)),
    steadyCpuMicros: median(steady.map((one) => one.cpuMicrosPerRequest)),
    steadyP99Micros: median(steady.map((one) => one.p99Micros)),
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
