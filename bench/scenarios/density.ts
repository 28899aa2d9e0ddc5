import { setTimeout as delay } from "node:timers/promises";
import { openAgent, type Workload } from "../cold-start/open-agent.ts";
import { pssMebibytes } from "../cold-start/process-cost.ts";
import type { BenchReport } from "../report.ts";

const INSTANCES = 40;
/** Started side by side. */
const AT_ONCE = 8;
const GIBIBYTE_IN_MEBIBYTES = 1_024;
const IDLE_MS = 8_000;
const GONE_LIMIT_MS = 30_000;
const WAYS: readonly { name: string; workload: Workload; settings: object }[] = [
  { name: "hello", workload: "hello", settings: {} },
  { name: "python, forked", workload: "python", settings: { pythonForks: "auto" } },
  { name: "python", workload: "python", settings: {} },
];

/** Memory of idle instances, each called once, and what is left of it when their functions are at zero. */
export async function benchDensity({
  tell,
}: {
  readonly tell: (what: string) => void;
}): Promise<BenchReport> {
  const rows = [];
  for (const { name, workload, settings } of WAYS) {
    tell(name);
    rows.push({ name, ...(await measure(workload, settings)) });
  }
  return {
    tables: [
      {
        title: `${INSTANCES} idle instances`,
        heads: ["function", "PSS MiB each", "instances/GiB", "MiB at zero"],
        rows: rows.map(({ name, eachMebibytes, zeroMebibytes }) => [
          name,
          eachMebibytes.toFixed(2),
          String(Math.floor(GIBIBYTE_IN_MEBIBYTES / eachMebibytes)),
          zeroMebibytes.toFixed(1),
        ]),
      },
    ],
    notes: [
      "PSS of all processes of an instance (/proc/PID/smaps_rollup), each in a function of its own; without a pool, whose runners no function has",
    ],
    result: { rows },
  };
}

async function measure(workload: Workload, settings: object) {
  const agent = await openAgent({
    workloads: [workload],
    functionsOfEach: INSTANCES,
    settings: { idleMs: IDLE_MS, extraIdleMs: IDLE_MS, poolMegabytesMax: 0, ...settings },
  });
  try {
    await agent.whenQuiet();
    // What the launcher looks after beside instances.
    const others = agent.instancePids();
    const pssOf = (): number =>
      agent
        .instancePids()
        .filter((pid) => !others.includes(pid))
        .reduce((sum, pid) => sum + pssMebibytes(pid), 0);
    for (let first = 0; first < INSTANCES; first += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) => agent.call(workload, first + index)),
      );
    const untilMs = performance.now() + GONE_LIMIT_MS;
    const allMebibytes = pssOf();
    while (agent.instancePids().length > others.length) {
      if (performance.now() > untilMs) throw new Error("instances outstay their idle time");
      await delay(100);
    }
    return {
      eachMebibytes: allMebibytes / INSTANCES,
      zeroMebibytes: pssOf(),
    };
  } finally {
    await agent.stop();
  }
}
