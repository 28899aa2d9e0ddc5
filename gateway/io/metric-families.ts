import { setImmediate as nextTurn } from "node:timers/promises";

/*
 * Metrics whose values stand in cells of our own and are written when Prometheus asks, in its text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Counting a call then touches a few numbers, and a thousand
 * functions are written in a few milliseconds, a part at a time.
 */

type Labels = Readonly<Record<string, string>>;

export interface CounterSample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  /** Upper ends of the classes; `counts` has one more, for what is above. */
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
  readonly totalMs: number;
}

interface Head {
  readonly name: string;
  readonly help: string;
}

export type MetricFamily =
  | (Head & { readonly kind: "counter"; readonly read: () => readonly CounterSample[] })
  /** Written in seconds. */
  | (Head & { readonly kind: "histogram"; readonly read: () => readonly HistogramSample[] });

/** Written before other work has its turn. */
const SAMPLES_PER_TURN = 100;

/** `common` labels stand on every line. */
export async function writeFamilies(
  families: readonly MetricFamily[],
  common: Labels,
): Promise<string> {
  const lines: string[] = [];
  for (const family of families) {
    const { name, help, kind } = family;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    const samples = writersOf(family, common);
    for (const [index, write] of samples.entries()) {
      if (index % SAMPLES_PER_TURN === SAMPLES_PER_TURN - 1) await nextTurn();
      write(lines);
    }
    lines.push("");
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

type Write = (lines: string[]) => void;

function writersOf(family: MetricFamily, common: Labels): Write[] {
  const { name } = family;
  if (family.kind === "counter")
    return family.read().map(({ labels, value }) => {
      return (lines) => lines.push(`${name}{${labelsText({ ...common, ...labels })}} ${value}`);
    });
  return family.read().map((sample) => (lines) => writeHistogram(lines, name, sample, common));
}

function writeHistogram(
  lines: string[],
  name: string,
  { labels, boundsMs, counts, totalMs }: HistogramSample,
  common: Labels,
): void {
  const text = labelsText({ ...common, ...labels });
  let sum = 0;
  for (const [index, count] of counts.entries()) {
    sum += count;
    const bound = boundsMs[index];
    const end = bound === undefined ? "+Inf" : bound / 1_000;
    lines.push(`${name}_bucket{${text},le="${end}"} ${sum}`);
  }
  lines.push(`${name}_sum{${text}} ${totalMs / 1_000}`, `${name}_count{${text}} ${sum}`);
}

const labelsText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");

const SPECIAL = /[\\"\n]/;
const escaped = (value: string): string =>
  SPECIAL.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : value;
