import { availableParallelism, cpus, loadavg, release, type } from "node:os";
import { parseArgs } from "node:util";
import { FIGURE_HEADS, figureCells, type FigureResult } from "./figures.ts";
import { aligned, type BenchReport } from "./report.ts";
import type { BenchRow } from "./rows.ts";
import type { RoundOptions } from "./run-rounds.ts";
import { benchAutoscaler } from "./scenarios/autoscaler.ts";
import { benchCatalog } from "./scenarios/catalog.ts";
import { benchFault } from "./scenarios/fault.ts";
import { benchFeed } from "./scenarios/feed.ts";
import { benchGateway, type GatewayBenchOptions } from "./scenarios/gateway.ts";
import { benchHello, type ScenarioResult } from "./scenarios/hello.ts";
import { benchObserve } from "./scenarios/observe.ts";
import { benchReplica } from "./scenarios/replica.ts";
import { benchOverload } from "./scenarios/overload.ts";
import { benchStream } from "./scenarios/stream.ts";
import { benchTable } from "./scenarios/table.ts";
import { benchTakeout } from "./scenarios/takeout.ts";
import { benchWorkers } from "./scenarios/workers.ts";

/*
 * `npm run bench -- NAME [--json] [--seconds N] [--rounds N] [--connections N] [--profile DIR] [--trace FILE]`: how every figure of this
 * project is made.
 * Compare ratios of one run, never absolute figures of two: machines drift.
 */
const SCENARIOS: Readonly<Record<string, (options: RoundOptions) => Promise<ScenarioResult>>> = {
  hello: benchHello,
  feed: benchFeed,
  catalog: benchCatalog,
};
/** Those that are not about calls: figures of their own, in rounds of their own length. */
const FIGURES: Readonly<Record<string, (options: RoundOptions) => Promise<FigureResult>>> = {
  observe: benchObserve,
  replica: benchReplica,
  table: benchTable,
  takeout: benchTakeout,
};
/** Those that print tables of their own. */
const REPORTS: Readonly<Record<string, (options: GatewayBenchOptions) => Promise<BenchReport>>> = {
  gateway: benchGateway,
  fault: benchFault,
  stream: benchStream,
  overload: benchOverload,
  workers: benchWorkers,
  autoscaler: (options) => benchAutoscaler({ ...options, traceFile: values.trace }),
};
/** What is not said on the command line; a round of `fault` takes six minutes. */
const DEFAULTS: Readonly<
  Record<string, { readonly rounds?: string; readonly connections?: string }>
> = {
  gateway: { connections: "64" },
  overload: { rounds: "1" },
  workers: { connections: "64" },
  fault: { rounds: "1" },
  stream: { rounds: "1" },
};
const SECONDS_MAX = 60;
const ROUNDS_MAX = 20;
const CONNECTIONS_MAX = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    seconds: { type: "string", default: "3" },
    rounds: { type: "string" },
    connections: { type: "string" },
    profile: { type: "string" },
    trace: { type: "string" },
  },
});
const [name = ""] = positionals;
const scenario = SCENARIOS[name];
const figures = FIGURES[name];
const report = REPORTS[name];
if (scenario === undefined && figures === undefined && report === undefined) {
  const names = Object.keys({ ...SCENARIOS, ...FIGURES, ...REPORTS });
  tell(
    `usage: npm run bench -- ${names.join("|")} [--json] [--seconds N] [--rounds N] [--connections N] [--profile DIR] [--trace FILE]`,
  );
  process.exit(2);
}

const secondsPerRound = wholeNumber("seconds", values.seconds, SECONDS_MAX);
const own = DEFAULTS[name];
const rounds = wholeNumber("rounds", values.rounds ?? own?.rounds ?? "3", ROUNDS_MAX);
const connections = wholeNumber(
  "connections",
  values.connections ?? own?.connections ?? "32",
  CONNECTIONS_MAX,
);
const machine = {
  cores: availableParallelism(),
  processor: cpus()[0]?.model ?? "unknown",
  system: `${type()} ${release()}`,
  node: process.version,
  loadBefore: loadavg()[0] ?? 0,
};
const options = { secondsPerRound, rounds, connections, tell };
const machineLine = `${machine.cores} × ${machine.processor}, ${machine.system}, Node ${machine.node}, load ${machine.loadBefore.toFixed(1)} before`;
if (scenario !== undefined) printCalls(await scenario(options));
else if (figures !== undefined) printFigures(await figures(options));
else if (report !== undefined)
  printReport(await report({ ...options, profileFolder: values.profile }));

function printCalls({ rows, missingPeers }: ScenarioResult): void {
  if (values.json)
    return printDocument({ secondsPerRound, rounds, connections, rows, missingPeers });
  process.stdout.write(`${table(rows)}\n\n`);
  for (const { peer, reason } of missingPeers) process.stdout.write(`without ${peer}: ${reason}\n`);
  process.stdout.write(
    `medians of ${rounds} interleaved rounds of ${secondsPerRound} s, ${connections} connections; ${machineLine}\n`,
  );
}

function printFigures({ figures: lines, peerIs }: FigureResult): void {
  if (values.json) return printDocument({ rounds, figures: lines, peerIs });
  process.stdout.write(`${aligned(FIGURE_HEADS, lines.map(figureCells))}\n\n`);
  process.stdout.write(`medians of ${rounds} rounds; peer: ${peerIs}; ${machineLine}\n`);
}

function printReport({ tables, notes, result }: BenchReport): void {
  if (values.json) return printDocument({ ...result, notes });
  for (const { title, heads, rows } of tables)
    process.stdout.write(`${title}\n${aligned(heads, rows)}\n\n`);
  for (const note of notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine}\n`);
}

function printDocument(result: object): void {
  process.stdout.write(`${JSON.stringify({ bench: name, machine, ...result }, null, 2)}\n`);
}

function table(lines: readonly BenchRow[]): string {
  const heads = [
    "variant",
    "requests/s",
    "CPU µs/request",
    "of",
    "p50 µs",
    "p99 µs",
    "errors",
    "CPU against",
  ];
  const cells = lines.map((row) => [
    row.variant,
    String(row.requestsPerSecond),
    row.cpuMicrosPerRequest === null ? "?" : String(row.cpuMicrosPerRequest),
    row.cpuOf,
    String(row.p50Micros),
    String(row.p99Micros),
    String(row.errors),
    Object.entries(row.ratios)
      .map(([other, ratio]) => `${other} ${ratio} ×`)
      .join(", "),
  ]);
  return aligned(heads, cells);
}

function wholeNumber(option: string, text: string, maximum: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= maximum) return value;
  tell(`--${option} takes a whole number from 1 to ${maximum}, not ${text}`);
  process.exit(2);
}

/** Progress goes to standard error, so that standard output is the result alone. */
function tell(what: string): void {
  process.stderr.write(`${what}\n`);
}
