import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { seededRandom } from "../../chaos/core/seeded-random.ts";
import { type ScalingSpec, scalingSpec } from "../../agents/core/scaling/scaling-spec.ts";
import { generateTrace } from "../autoscaler/generate-trace.ts";
import { readAzureTrace } from "../autoscaler/read-azure-trace.ts";
import { simulateFunction } from "../autoscaler/simulate-function.ts";
import type { Trace } from "../autoscaler/trace.ts";
import type { BenchReport } from "../report.ts";

/** Of a Node function from zero, without a pool, on an idle machine (docs/performance.md). */
const START_MS = 35;
const SEEDS = [1, 2, 3];
const HOURS = 6;
/** What this project promises: issue 6. */
const PROMISED_RATIO = 0.75;
const PROMISED_P99_MS = 50;

/** What an agent has by default. */
const idle = { extraIdleMs: 5_000, lastIdleMs: 60_000 };
const MODES: readonly { readonly name: string; readonly spec: ScalingSpec }[] = [
  { name: "request", spec: scalingSpec(1, undefined, idle) },
  { name: "kpa", spec: scalingSpec(1, { mode: "kpa" }, idle) },
];

interface Outcome {
  readonly trace: string;
  readonly mode: string;
  readonly calls: number;
  readonly instanceSeconds: number;
  readonly busySeconds: number;
  readonly starts: number;
  readonly waitP50Ms: number;
  readonly waitP99Ms: number;
  readonly waitP999Ms: number;
  readonly delayedPercent: number;
}

/** Both modes on the same calls, in virtual time: how long calls wait, and how long instances are there for it. */
export async function benchAutoscaler({
  traceFile,
  tell,
}: {
  readonly traceFile: string | undefined;
  readonly tell: (what: string) => void;
}): Promise<BenchReport> {
  const outcomes: Outcome[] = [];
  for (const trace of await tracesOf(traceFile))
    for (const { name, spec } of MODES) {
      tell(`${trace.name}: ${name}`);
      outcomes.push(runTrace(trace, name, spec));
    }
  const names = [...new Set(outcomes.map(({ trace }) => trace))];
  const ratios = names.map((trace) => ({ trace, ...compare(outcomes, trace) }));
  return {
    tables: [
      {
        title: `Each start takes ${START_MS} ms; concurrency 1`,
        heads: [
          "trace",
          "mode",
          "calls",
          "instance-s",
          "of busy",
          "starts",
          "wait p50",
          "p99",
          "p99.9 ms",
          "delayed",
        ],
        rows: outcomes.map(cellsOf),
      },
      {
        title: "request against kpa",
        heads: ["trace", "instance-seconds", "wait p99 ms", "promised"],
        rows: ratios.map(({ trace, ratio, waitP99Ms, isKept }) => [
          trace,
          `${ratio.toFixed(2)} ×`,
          waitP99Ms.toFixed(0),
          `≤ ${PROMISED_RATIO} ×, ≤ ${PROMISED_P99_MS} ms: ${isKept ? "kept" : "missed"}`,
        ]),
      },
    ],
    notes: [
      "The deciders are the agent's own; a cluster without limit, and no time lost to a busy processor, for both alike.",
    ],
    result: { startMs: START_MS, outcomes, ratios },
  };
}

async function tracesOf(traceFile: string | undefined): Promise<readonly Trace[]> {
  if (traceFile === undefined)
    return SEEDS.map((seed) => {
      const trace = generateTrace(seededRandom(seed), HOURS);
      return { ...trace, name: `${trace.name}, seed ${seed}` };
    });
  const text = await readFile(traceFile, "utf8");
  return [readAzureTrace(basename(traceFile), text, seededRandom(1))];
}

function runTrace(trace: Trace, mode: string, spec: ScalingSpec): Outcome {
  const waits: number[] = [];
  let [instanceMs, busyMs, starts] = [0, 0, 0];
  for (const { calls } of trace.functions) {
    const simulated = simulateFunction(calls, spec, START_MS, trace.endMs);
    for (const waitMs of simulated.waitsMs) waits.push(waitMs);
    instanceMs += simulated.instanceMs;
    busyMs += simulated.busyMs;
    starts += simulated.starts;
  }
  const sorted = Float64Array.from(waits).toSorted();
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  const delayed = waits.filter((waitMs) => waitMs > 1).length;
  return {
    trace: trace.name,
    mode,
    calls: waits.length,
    instanceSeconds: Math.round(instanceMs / 1_000),
    busySeconds: Math.round(busyMs / 1_000),
    starts,
    waitP50Ms: at(0.5),
    waitP99Ms: at(0.99),
    waitP999Ms: at(0.999),
    delayedPercent: (100 * delayed) / Math.max(1, waits.length),
  };
}

function compare(outcomes: readonly Outcome[], trace: string) {
  const [request, kpa] = outcomes.filter((outcome) => outcome.trace === trace);
  const ratio = (request?.instanceSeconds ?? 0) / Math.max(1, kpa?.instanceSeconds ?? 0);
  const waitP99Ms = request?.waitP99Ms ?? 0;
  return { ratio, waitP99Ms, isKept: ratio <= PROMISED_RATIO && waitP99Ms <= PROMISED_P99_MS };
}

const cellsOf = (outcome: Outcome): string[] => [
  outcome.trace,
  outcome.mode,
  String(outcome.calls),
  String(outcome.instanceSeconds),
  `${(outcome.instanceSeconds / Math.max(1, outcome.busySeconds)).toFixed(2)} ×`,
  String(outcome.starts),
  outcome.waitP50Ms.toFixed(0),
  outcome.waitP99Ms.toFixed(0),
  outcome.waitP999Ms.toFixed(0),
  `${outcome.delayedPercent.toFixed(2)} %`,
];
