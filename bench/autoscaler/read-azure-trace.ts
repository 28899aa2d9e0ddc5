import type { Random } from "#lib/ports/random.ts";
import type { Trace, TracedCall } from "./trace.ts";

const MINUTE_MS = 60_000;
/** Where a trace counts calls and does not time them, as that of 2019. */
const RUN_MS = 100;

/**
 * Reads a file in one of the formats of the Azure Functions traces (github.com/Azure/AzurePublicDataset): that of 2021, a line a call
 * with `app,func,end_timestamp,duration` in seconds, or that of 2019, a line a function with its calls in each minute of a day.
 */
export function readAzureTrace(name: string, text: string, random: Random): Trace {
  const [head = "", ...lines] = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const columns = head.split(",").map((column) => column.trim().toLowerCase());
  const rows = lines.map((line, index) => ({ cells: line.split(","), line: index + 2 }));
  if (columns.includes("end_timestamp")) return readCalls(name, columns, rows);
  if (columns[0] === "hashowner") return readMinutes(name, columns, rows, random);
  throw new Error(
    `${name} is neither of the two formats: it begins with "${head.slice(0, 80)}", not with app,func,end_timestamp,duration or HashOwner,HashApp,HashFunction,Trigger,1,2,…`,
  );
}

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

function readCalls(name: string, columns: readonly string[], rows: readonly Row[]): Trace {
  const [app, func, end, duration] = ["app", "func", "end_timestamp", "duration"].map((column) =>
    columns.indexOf(column),
  );
  const functions = new Map<string, TracedCall[]>();
  let endMs = 0;
  for (const row of rows) {
    const runMs = Math.max(0, numberAt(name, row, duration) * 1_000);
    const endedAtMs = numberAt(name, row, end) * 1_000;
    endMs = Math.max(endMs, endedAtMs);
    const key = `${row.cells[app ?? -1]}/${row.cells[func ?? -1]}`;
    const calls = functions.get(key) ?? [];
    calls.push({ atMs: Math.max(0, endedAtMs - runMs), runMs });
    functions.set(key, calls);
  }
  return traceOf(name, endMs, functions);
}

/** Calls of a minute come at random moments of it. */
function readMinutes(
  name: string,
  columns: readonly string[],
  rows: readonly Row[],
  random: Random,
): Trace {
  const first = columns.indexOf("1");
  const functions = new Map<string, TracedCall[]>();
  for (const row of rows) {
    const calls: TracedCall[] = [];
    for (let column = first; column < row.cells.length; column += 1)
      for (let left = numberAt(name, row, column); left > 0; left -= 1)
        calls.push({ atMs: (column - first + random.next()) * MINUTE_MS, runMs: RUN_MS });
    functions.set(row.cells.slice(0, 3).join("/"), calls);
  }
  return traceOf(name, (columns.length - first) * MINUTE_MS, functions);
}

function numberAt(name: string, { cells, line }: Row, column = -1): number {
  const text = cells[column]?.trim() ?? "";
  const value = Number(text);
  if (text !== "" && Number.isFinite(value)) return value;
  throw new Error(`${name}, line ${line}: "${text}" in column ${column + 1} is not a number`);
}

const traceOf = (
  name: string,
  endMs: number,
  functions: ReadonlyMap<string, readonly TracedCall[]>,
): Trace => ({
  name,
  endMs,
  functions: [...functions].map(([key, calls]) => ({
    name: key,
    calls: calls.toSorted((one, other) => one.atMs - other.atMs),
  })),
});
