import { openAgent, type Workload } from "../cold-start/open-agent.ts";
import { percentile } from "../cold-start/percentile.ts";
import { cpuMs } from "../cold-start/process-cost.ts";
import type { BenchReport } from "../report.ts";
import type { RoundOptions } from "../run-rounds.ts";

const INSTANCES = 100;
const WAYS: readonly { way: string; workload: Workload; settings: object }[] = [
  { way: "hello", workload: "hello", settings: {} },
  { way: "python, forked", workload: "python", settings: { pythonForks: "auto" } },
  { way: "python", workload: "python", settings: {} },
];

interface ScaleOutReading {
  readonly way: string;
  readonly medianMs: number;
  readonly lastMs: number;
  readonly errors: number;
  /** What the first of them said. */
  readonly firstError: string | undefined;
  readonly agentCpuMs: number;
}

/** A hundred functions without an instance are called at the same moment: when the last has answered. */
export async function benchScaleOut({ rounds, tell }: RoundOptions): Promise<BenchReport> {
  const readings: ScaleOutReading[] = [];
  for (const { way, workload, settings } of WAYS)
    for (let round = 0; round < rounds; round += 1) {
      tell(`${way}, round ${round + 1} of ${rounds}`);
      readings.push({ way, ...(await scaleOut(workload, settings)) });
    }
  const rows = WAYS.map(({ way }) => {
    const own = readings.filter((reading) => reading.way === way);
    const of = (figure: (reading: ScaleOutReading) => number) => percentile(own.map(figure), 0.5);
    return {
      way,
      medianMs: of(({ medianMs }) => medianMs),
      lastMs: of(({ lastMs }) => lastMs),
      errors: own.reduce((sum, { errors }) => sum + errors, 0),
      agentCpuMs: of(({ agentCpuMs }) => agentCpuMs),
    };
  });
  return {
    tables: [
      {
        title: `0 → ${INSTANCES} instances`,
        heads: ["function", "median ms", "last ms", "starts/s", "errors", "agent CPU ms"],
        rows: rows.map((row) => [
          row.way,
          row.medianMs.toFixed(0),
          row.lastMs.toFixed(0),
          ((INSTANCES * 1_000) / row.lastMs).toFixed(1),
          String(row.errors),
          row.agentCpuMs.toFixed(0),
        ]),
      },
    ],
    notes: [
      ...readings.flatMap(({ firstError }) => firstError ?? []),
      `medians of ${rounds} rounds, each with a new agent; from the first request on`,
    ],
    result: { rows, readings },
  };
}

async function scaleOut(
  workload: Workload,
  settings: object,
): Promise<Omit<ScaleOutReading, "way">> {
  const functionsOfEach = INSTANCES + 1;
  const agent = await openAgent({ workloads: [workload], functionsOfEach, settings });
  try {
    await agent.call(workload, INSTANCES);
    await agent.whenQuiet();
    const agentBeforeMs = cpuMs(agent.pid);
    const calls = await Promise.allSettled(
      Array.from({ length: INSTANCES }, (_, index) => agent.call(workload, index)),
    );
    const wallsMs = calls.flatMap((call) =>
      call.status === "fulfilled" ? [call.value.wallMs] : [],
    );
    const failed = calls.find((call) => call.status === "rejected");
    return {
      firstError: failed === undefined ? undefined : String(failed.reason),
      medianMs: percentile(wallsMs, 0.5),
      lastMs: percentile(wallsMs, 1),
      errors: calls.length - wallsMs.length,
      agentCpuMs: cpuMs(agent.pid) - agentBeforeMs,
    };
  } finally {
    await agent.stop();
  }
}
