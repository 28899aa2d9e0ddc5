import { type BenchAgent, openAgent, type Workload } from "../cold-start/open-agent.ts";
import { cpuMs } from "../cold-start/process-cost.ts";
import { percentile } from "../cold-start/percentile.ts";
import type { BenchReport } from "../report.ts";
import type { RoundOptions } from "../run-rounds.ts";

interface Way {
  readonly name: string;
  readonly workload: Workload;
  readonly settings: object;
}

interface Sample {
  readonly wallMs: number;
  readonly instanceCpuMs: number;
  readonly agentCpuMs: number;
  readonly phases: string;
}

const WARMUP_STARTS = 10;
const NO_POOL = { poolMegabytesMax: 0 };
const WAYS: readonly Way[] = [
  { name: "Node, pooled", workload: "hello", settings: {} },
  { name: "Node", workload: "hello", settings: NO_POOL },
  { name: "Python, pooled", workload: "python", settings: {} },
  { name: "Python, forked", workload: "python", settings: { ...NO_POOL, pythonForks: "auto" } },
  { name: "Python", workload: "python", settings: NO_POOL },
  { name: "heavy Node, pooled", workload: "heavy", settings: {} },
  { name: "heavy Node", workload: "heavy", settings: NO_POOL },
];

/** From the request to the first response of a function that has no instance, one at a time on an agent that is at rest. */
export async function benchColdStart({ rounds, tell }: RoundOptions): Promise<BenchReport> {
  const results: { way: string; samples: readonly Sample[] }[] = [];
  for (const { name, workload, settings } of WAYS) {
    tell(name);
    const functionsOfEach = rounds + WARMUP_STARTS;
    const agent = await openAgent({ workloads: [workload], functionsOfEach, settings });
    try {
      // The first brings the code, and each what the agent itself loads and compiles late.
      for (let start = 0; start < WARMUP_STARTS; start += 1)
        await agent.call(workload, rounds + start);
      const samples: Sample[] = [];
      for (let index = 0; index < rounds; index += 1)
        samples.push(await sample(agent, workload, index));
      results.push({ way: name, samples });
    } finally {
      await agent.stop();
    }
  }
  return report(results);
}

async function sample(agent: BenchAgent, workload: Workload, index: number): Promise<Sample> {
  await agent.whenQuiet();
  const before = new Map(agent.instancePids().map((pid) => [pid, cpuMs(pid)]));
  const agentBeforeMs = cpuMs(agent.pid);
  const { wallMs, isCold, phases } = await agent.call(workload, index);
  const agentCpuMs = cpuMs(agent.pid) - agentBeforeMs;
  if (!isCold) throw new Error(`${workload} ${index} was there already`);
  return { wallMs, phases, agentCpuMs, instanceCpuMs: cpuOfInstance(agent, before) };
}

/** Of an instance that was pooled what it used since; else of all that was started for it. */
function cpuOfInstance(agent: BenchAgent, before: ReadonlyMap<number, number>): number {
  let startedMs = 0;
  let pooledMs = 0;
  for (const pid of agent.instancePids()) {
    const earlierMs = before.get(pid);
    if (earlierMs === undefined) startedMs += cpuMs(pid);
    else pooledMs = Math.max(pooledMs, cpuMs(pid) - earlierMs);
  }
  return startedMs > 0 ? startedMs : pooledMs;
}

function report(results: readonly { way: string; samples: readonly Sample[] }[]): BenchReport {
  const rows = results.map(({ way, samples }) => {
    const wall = samples.map(({ wallMs }) => wallMs);
    const of = (figure: (one: Sample) => number) => percentile(samples.map(figure), 0.5);
    return {
      way,
      p50Ms: percentile(wall, 0.5),
      p99Ms: percentile(wall, 0.99),
      instanceCpuMs: of(({ instanceCpuMs }) => instanceCpuMs),
      agentCpuMs: of(({ agentCpuMs }) => agentCpuMs),
      lastPhases: samples.at(-1)?.phases ?? "",
    };
  });
  return {
    tables: [
      {
        title: "From the request to the first response, without an instance",
        heads: ["way", "p50 ms", "p99 ms", "instance CPU ms", "agent CPU ms", "phases of the last"],
        rows: rows.map(({ way, p50Ms, p99Ms, instanceCpuMs, agentCpuMs, lastPhases }) => [
          way,
          ...[p50Ms, p99Ms, instanceCpuMs, agentCpuMs].map((ms) => ms.toFixed(1)),
          lastPhases,
        ]),
      },
    ],
    notes: [
      `${results[0]?.samples.length ?? 0} functions of each, one cold start at a time; CPU: the processes of the instance up to the answer, medians`,
    ],
    result: { results, rows },
  };
}
