import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pino } from "pino";
import { tableFile } from "#lib/io/table-file.ts";

import {
  addHash,
  digestText,
  encodeEntry,
  entryHash,
  subtractHash,
  type TextEntry,
} from "#lib/table-digest.ts";
import { tableLines } from "#lib/table-frames.ts";
import type { RouteTableState, TableFrame } from "#lib/route-table-state.ts";
import type { FigureReading } from "../figures.ts";
import { functionName, routeEntries, tenantName } from "../gateway/route-entries.ts";

/*
 * Processes of their own, so that memory and turns are the table's alone: `node table-process.ts write FILE FUNCTIONS` makes a
 * gateway's table on disk, `node table-process.ts read FILE` serves from it and prints readings.
 */

const TENANTS = 1_000;
const UPDATES = 200;
const MICROS_PER_MS = 1_000;
const BYTES_PER_MEGABYTE = 1_000_000;

const [mode, path = "", functions] = process.argv.slice(2);
const file = tableFile(path, pino({ level: "silent" }));
if (mode === "write") await writeTable(Number(functions));
else process.stdout.write(JSON.stringify(await readTable()));

async function writeTable(count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, index) => ({
    tenant: tenantName(index % TENANTS),
    name: functionName(index),
    isIdempotent: false,
  }));
  const texts = routeEntries(TENANTS, all).map(encodeEntry);
  const position = { incarnation: "bench", revision: 1 };
  await file.save({ position, digest: digestText(sumOf(texts)) }, texts);
}

async function readTable(): Promise<readonly FigureReading[]> {
  collectGarbage();
  const before = process.memoryUsage();
  const state = await file.load();
  collectGarbage();
  const after = process.memoryUsage();
  const entries = `${(state.table()?.entries.size ?? 0).toLocaleString("en")} entries`;
  const grown = (what: "rss" | "heapUsed"): number =>
    (after[what] - before[what]) / BYTES_PER_MEGABYTE;
  const lines = fullLines(state);
  return [
    { figure: `resident memory of ${entries}`, unit: "MB", value: grown("rss") },
    { figure: `heap of ${entries}`, unit: "MB", value: grown("heapUsed") },
    {
      figure: `longest step of a full reload of ${entries}`,
      unit: "ms",
      value: longestStepMs(state, lines),
    },
    {
      figure: `an update of one function among ${entries}`,
      unit: "µs",
      value: updateMs(state) * MICROS_PER_MS,
    },
  ];
}

/** The same table a revision later, as a federator would send it: every entry is looked at. */
function fullLines(state: RouteTableState): readonly string[] {
  const { position, digest } = inForce(state);
  const next = { incarnation: position.incarnation, revision: position.revision + 1 };
  const head = { kind: "full", nonce: 1, position: next, digest } as const;
  return linesOf(head, state.texts());
}

function longestStepMs(state: RouteTableState, lines: readonly string[]): number {
  let longestMs = 0;
  for (const line of lines) longestMs = Math.max(longestMs, takeMs(state, line));
  return longestMs;
}

/** The median of many, each a delta with one changed function. */
function updateMs(state: RouteTableState): number {
  const tookMs: number[] = [];
  const texts = state.texts().filter(({ key }) => key.startsWith("function/"));
  for (let update = 0; update < UPDATES; update += 1) {
    const { position, digest } = inForce(state);
    const entry = texts[(update * 499) % texts.length];
    if (entry === undefined) throw new Error("there is no function in the table");
    const text = entry.text.replace('"codeBytes":1', `"codeBytes":${update + 2}`);
    const changed = { key: entry.key, text };
    const sum = addHash(
      subtractHash(BigInt(`0x${digest}`), entryHash(entry.key, entry.text)),
      entryHash(entry.key, text),
    );
    const head: Parameters<typeof tableLines>[0] = {
      kind: "delta",
      nonce: update,
      from: position,
      position: { incarnation: position.incarnation, revision: position.revision + 1 },
      removed: [],
      digest: digestText(sum),
    };
    for (const line of linesOf(head, [changed])) tookMs.push(takeMs(state, line));
  }
  return tookMs.toSorted((one, other) => one - other)[tookMs.length >> 1] ?? 0;
}

function linesOf(
  head: Parameters<typeof tableLines>[0],
  texts: readonly TextEntry[],
): readonly string[] {
  const { count, line } = tableLines(head, texts);
  return Array.from({ length: count }, (_, index) => line(index));
}

/** Reading the line counts: it is part of the turn. */
function takeMs(state: RouteTableState, line: string): number {
  const startMs = performance.now();
  // Written by this process, and checked by the state.
  const frame = JSON.parse(line) as TableFrame;
  const taken = state.take(frame);
  const tookMs = performance.now() - startMs;
  if (taken.kind === "refused" || taken.kind === "stale") throw new Error(taken.reason);
  return tookMs;
}

function inForce(state: RouteTableState) {
  const table = state.table();
  if (table === undefined) throw new Error("no table was loaded");
  return table;
}

function sumOf(texts: readonly TextEntry[]): bigint {
  return texts.reduce((sum, { key, text }) => addHash(sum, entryHash(key, text)), 0n);
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
}
