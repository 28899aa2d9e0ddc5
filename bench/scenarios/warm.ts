import { type BenchAgent, openAgent, type Workload } from "../cold-start/open-agent.ts";
import { percentile } from "../cold-start/percentile.ts";
import { cpuMs } from "../cold-start/process-cost.ts";
import type { BenchReport } from "../report.ts";
import type { RoundOptions } from "../run-rounds.ts";

const WARMUP_CALLS = 3_000;
/** One after the other for what a call takes, side by side for what it costs. */
const SIDE_BY_SIDE = 32;
const INSTANCES = 4;
const WORKLOADS: readonly Workload[] = ["hello", "python"];

interface WarmReading {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly agentCpuMs: number;
  readonly instanceCpuMs: number;
  readonly busyAgentCpuMs: number;
}

/** What a call of a function that is there costs in agent and instance, over the link that gateways use. */
export async function benchWarm(options: RoundOptions): Promise<BenchReport> {
  const { rounds, secondsPerRound, tell } = options;
  const agent = await openAgent({
    workloads: WORKLOADS,
    functionsOfEach: INSTANCES,
    manifest: { concurrency: SIDE_BY_SIDE },
  });
  try {
    const rows = [];
    for (const workload of WORKLOADS) {
      for (let call = 0; call < WARMUP_CALLS; call += 1) await agent.call(workload, 0);
      await agent.whenQuiet();
      const readings: WarmReading[] = [];
      for (let round = 0; round < rounds; round += 1) {
        tell(`${workload}, round ${round + 1} of ${rounds}`);
        readings.push(await measure(agent, workload, (secondsPerRound * 1_000) / 2));
      }
      rows.push({ workload, ...medians(readings) });
    }
    return report(rows, options);
  } finally {
    await agent.stop();
  }
}

async function measure(agent: BenchAgent, workload: Workload, ms: number): Promise<WarmReading> {
  const alone = await callFor(agent, workload, 1, ms);
  const busy = await callFor(agent, workload, SIDE_BY_SIDE, ms);
  return {
    p50Ms: percentile(alone.wallsMs, 0.5),
    p99Ms: percentile(alone.wallsMs, 0.99),
    agentCpuMs: alone.agentCpuMs,
    instanceCpuMs: alone.instanceCpuMs,
    busyAgentCpuMs: busy.agentCpuMs,
  };
}

async function callFor(agent: BenchAgent, workload: Workload, callers: number, ms: number) {
  const pids = agent.instancePids();
  const usedByInstances = (): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const [agentBefore, instancesBefore] = [cpuMs(agent.pid), usedByInstances()];
  const untilMs = performance.now() + ms;
  const wallsMs: number[] = [];
  const caller = async (): Promise<void> => {
    while (performance.now() < untilMs) wallsMs.push((await agent.call(workload, 0)).wallMs);
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return {
    wallsMs,
    agentCpuMs: (cpuMs(agent.pid) - agentBefore) / wallsMs.length,
    instanceCpuMs: (usedByInstances() - instancesBefore) / wallsMs.length,
  };
}

function medians(readings: readonly WarmReading[]): WarmReading {
  const of = (figure: keyof WarmReading) =>
    percentile(
      readings.map((reading) => reading[figure]),
      0.5,
    );
  return {
    p50Ms: of("p50Ms"),
    p99Ms: of("p99Ms"),
    agentCpuMs: of("agentCpuMs"),
    instanceCpuMs: of("instanceCpuMs"),
    busyAgentCpuMs: of("busyAgentCpuMs"),
  };
}

function report(
  rows: readonly (WarmReading & { readonly workload: Workload })[],
  { rounds, secondsPerRound }: RoundOptions,
): BenchReport {
  return {
    tables: [
      {
        title: "A warm call",
        heads: [
          "function",
          "p50 ms",
          "p99 ms",
          "agent CPU ms",
          "instance CPU ms",
          `agent CPU ms, ${SIDE_BY_SIDE} at once`,
        ],
        rows: rows.map((row) => [
          row.workload,
          row.p50Ms.toFixed(3),
          row.p99Ms.toFixed(3),
          row.agentCpuMs.toFixed(3),
          row.instanceCpuMs.toFixed(3),
          row.busyAgentCpuMs.toFixed(3),
        ]),
      },
    ],
    notes: [
      `medians of ${rounds} rounds of ${secondsPerRound} s, half of it one call after the other, from this process to the agent's link and back`,
    ],
    result: { rows },
  };
}
