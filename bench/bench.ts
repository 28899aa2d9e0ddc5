import { availableParallelism, cpus, loadavg, release, type } from "node:os";
import { endWrong, readOptions, wholeNumber } from "../test/support/read-options.ts";
import { FIGURE_HEADS, figureCells, type FigureResult } from "./figures.ts";
import { aligned, type BenchReport } from "./report.ts";
import type { BenchRow } from "./rows.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import type { ScenarioResult } from "./scenarios/hello.ts";

/*
 * `npm run bench -- NAME`: how every figure of this project is made. Compare ratios of one run, never absolute figures of two:
 * machines drift.
 */
const SECONDS_MAX = 60;
const ROUNDS_MAX = 20;
const CONNECTIONS_MAX = 64;
const SECONDS = "3";
const ROUNDS = "3";
const CONNECTIONS = "32";
const NAME_WIDTH = 12;

const HELP = `Measures one thing, most of them beside peers, and prints a table.

  npm run bench -- NAME [options]

${Object.entries(SCENARIOS)
  .map(([name, { about }]) => `  ${name.padEnd(NAME_WIDTH)} ${about}`)
  .join("\n")}

  --rounds N       how often each is measured (most: ${ROUNDS}), up to ${ROUNDS_MAX}
  --seconds N      how long a round of calls takes (${SECONDS}), up to ${SECONDS_MAX}
  --connections N  of the callers at once (most: ${CONNECTIONS}), up to ${CONNECTIONS_MAX}
  --json           the result as one document
  --profile DIR    gateway: a CPU profile of it alone
  --trace FILE     autoscaler: calls from a trace of Azure's
  --help           this text
`;

const { values, positionals } = readOptions(HELP, {
  json: { type: "boolean", default: false },
  seconds: { type: "string", default: SECONDS },
  rounds: { type: "string" },
  connections: { type: "string" },
  profile: { type: "string" },
  trace: { type: "string" },
});
const [name = "", ...more] = positionals;
const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
if (scenario === undefined || more.length > 0)
  endWrong(`name one of ${Object.keys(SCENARIOS).join(", ")}; --help tells what they are`);

const secondsPerRound = wholeNumber("seconds", values.seconds, 1, SECONDS_MAX);
const rounds = wholeNumber("rounds", values.rounds ?? scenario.rounds ?? ROUNDS, 1, ROUNDS_MAX);
const connections = wholeNumber(
  "connections",
  values.connections ?? scenario.connections ?? CONNECTIONS,
  1,
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
await printOutcome(scenario);

async function printOutcome(its: Scenario): Promise<void> {
  switch (its.kind) {
    case "calls":
      return printCalls(await its.run(options));
    case "figures":
      return printFigures(await its.run(options));
    case "report": {
      const { profile, trace } = values;
      return printReport(await its.run({ ...options, profileFolder: profile, traceFile: trace }));
    }
  }
}

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

/** Progress goes to standard error, so that standard output is the result alone. */
function tell(what: string): void {
  process.stderr.write(`${what}\n`);
}
