import { randomBytes, randomFillSync } from "node:crypto";
import { Counter, Histogram, Registry } from "prom-client";
import { createBoundedCells } from "../../gateway/core/bounded-cells.ts";
import { callCells, countCall } from "../../gateway/core/call-cell.ts";
import { CALL_OUTCOMES } from "../../gateway/core/judge-outcome.ts";
import { enterTrace } from "../../gateway/core/trace-context.ts";
import { createTraceIds } from "../../gateway/core/trace-ids.ts";
import { writeFamilies } from "../../gateway/io/metric-families.ts";
import { type FigureReading, type FigureResult, toFigures } from "../figures.ts";

const CALLS = 500_000;
const FUNCTIONS = 2_000;
const NAMED = 1_000;
const BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];
const TRACE_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** What it costs a call to be observed, and what it costs all others to be scraped. */
export async function benchObserve({
  rounds,
  tell,
}: {
  readonly rounds: number;
  readonly tell: (what: string) => void;
}): Promise<FigureResult> {
  const readings: FigureReading[] = [];
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    tell(`round ${round} of ${rounds}`);
    const these = [...traceReadings(), ...(await metricReadings())];
    if (round > 0) readings.push(...these);
  }
  return {
    figures: toFigures(readings),
    peerIs: "randomBytes for each id; prom-client with labels for each call and each line",
  };
}

function traceReadings(): FigureReading[] {
  const block = Buffer.allocUnsafe(8_192);
  const ids = createTraceIds(() => randomFillSync(block).toString("hex"));
  const always = (): boolean => true;
  const begun = nanosecondsPerCall(() => enterTrace(undefined, undefined, ids, always));
  const peer = nanosecondsPerCall(() => [
    randomBytes(16).toString("hex"),
    randomBytes(8).toString("hex"),
  ]);
  const continued = nanosecondsPerCall(() => enterTrace(TRACE_PARENT, "a=1", ids, always));
  return [
    { figure: "a trace begins", unit: "ns", value: begun, peer },
    { figure: "a trace goes on", unit: "ns", value: continued },
  ];
}

async function metricReadings(): Promise<FigureReading[]> {
  const names = Array.from({ length: FUNCTIONS }, (_, index) => ({
    tenant: `tenant-${index % 20}`,
    function: `function-${index}`,
  }));
  const nameAt = (index: number) => names[(index * 7) % FUNCTIONS] ?? { tenant: "", function: "" };
  const cells = createBoundedCells(NAMED, callCells(BOUNDS_MS));
  const counted = nanosecondsPerCall((index) => {
    const name = nameAt(index);
    countCall(cells.cellOf(name.tenant, name.function), "success", index % 300);
  });

  const registers = [new Registry()];
  const labelNames = ["tenant", "function"];
  const total = new Counter({
    name: "calls_total",
    help: "Calls.",
    labelNames: [...labelNames, "outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "call_seconds",
    help: "Calls.",
    labelNames,
    buckets: BOUNDS_MS.map((ms) => ms / 1_000),
    registers,
  });
  const peer = nanosecondsPerCall((index) => {
    const labels = names[(index * 7) % NAMED] ?? {};
    total.inc({ ...labels, outcome: "success" });
    seconds.observe(labels, (index % 300) / 1_000);
  });

  const samples = () => [...cells.named()];
  const labelsOf = ({ tenant, functionName }: { tenant: string; functionName: string }) => ({
    tenant,
    function: functionName,
  });
  const write = () =>
    writeFamilies(
      [
        {
          kind: "counter",
          name: "calls_total",
          help: "Calls.",
          read: () =>
            samples().map((one) => ({
              labels: { ...labelsOf(one), outcome: "success" },
              value: one.cell.outcomes[CALL_OUTCOMES.indexOf("success")] ?? 0,
            })),
        },
        {
          kind: "histogram",
          name: "call_seconds",
          help: "Calls.",
          read: () =>
            samples().map((one) => ({
              labels: labelsOf(one),
              boundsMs: one.cell.boundsMs,
              counts: one.cell.durations,
              totalMs: one.cell.totalMs,
            })),
        },
      ],
      {},
    );
  const own = await longestTurnMs(write);
  const theirs = await longestTurnMs(() => registers[0]?.metrics() ?? Promise.resolve(""));
  return [
    { figure: "a call is counted", unit: "ns", value: counted, peer },
    {
      figure: `a scrape of ${NAMED} functions holds the loop at most`,
      unit: "ms",
      value: own,
      peer: theirs,
    },
  ];
}

function nanosecondsPerCall(work: (index: number) => unknown): number {
  const startMs = performance.now();
  let done = 0;
  for (let index = 0; index < CALLS; index += 1) if (work(index) !== null) done += 1;
  return ((performance.now() - startMs) / done) * 1e6;
}

/** Of the event loop, while the work is done. */
async function longestTurnMs(work: () => Promise<string>): Promise<number> {
  let longestMs = 0;
  let lastMs = performance.now();
  let isDone = false;
  const look = (): void => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isDone) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isDone = true;
  return Math.max(longestMs, performance.now() - lastMs);
}
