import assert from "node:assert/strict";

export interface MetricLine {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamilyText {
  readonly name: string;
  readonly type: string;
  readonly lines: readonly MetricLine[];
}

const LINE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (-?[0-9.e+-]+|NaN|[+-]?Inf|Nan)$/;
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;
/** What a family of each type may call its lines. */
const ENDINGS: Readonly<Record<string, readonly string[]>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

/** Reads Prometheus' text format as strictly as Prometheus and its linter do. */
export function readMetrics(text: string): ReadonlyMap<string, MetricFamilyText> {
  assert.ok(text.endsWith("\n"), "the last line has no end");
  const families = new Map<string, { name: string; type: string; lines: MetricLine[] }>();
  let current: { name: string; type: string; lines: MetricLine[] } | undefined;
  let helped: string | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      assert.ok(!families.has(name), `${name} comes twice`);
      helped = name;
    } else if (keyword === "TYPE") {
      assert.equal(name, helped, "HELP stands before TYPE");
      current = { name, type: rest, lines: [] };
      families.set(name, current);
    } else {
      assert.ok(current !== undefined, line);
      current.lines.push(readLine(line, current));
    }
  }
  for (const { name, lines } of families.values()) {
    const keys = lines.map((one) => `${one.name} ${JSON.stringify(one.labels)}`);
    assert.equal(new Set(keys).size, keys.length, `${name} says something twice`);
  }
  return families;
}

function readLine(
  line: string,
  family: { readonly name: string; readonly type: string },
): MetricLine {
  const [, name = "", labels = "", value = ""] = LINE.exec(line) ?? [];
  assert.notEqual(name, "", `not a line of metrics: ${line}`);
  const endings = ENDINGS[family.type] ?? [];
  assert.ok(
    endings.some((ending) => name === `${family.name}${ending}`),
    `${name} in ${family.name}`,
  );
  const pairs = [...labels.matchAll(LABEL)].map(([, key = "", text = ""]): [string, string] => [
    key,
    text,
  ]);
  assert.equal(pairs.map(([key, text]) => `${key}="${text}"`).join(","), labels, line);
  return {
    name,
    labels: Object.fromEntries(pairs),
    value: Number(value.replace("Inf", "Infinity")),
  };
}
