import type { IncomingHttpHeaders } from "node:http";
import { type Enforced, WAITING_HEADER } from "#lib/contracts/api.ts";
import { isGatewayReceiver } from "#lib/contracts/feed.ts";

/** One line on standard output. */
export const printLine = (text: string): void => void process.stdout.write(`${text}\n`);

/** The one document of `--json`. */
export const printDocument = (document: unknown): void =>
  printLine(JSON.stringify(document, undefined, 2));

/** What moves a terminal's cursor, or turns the direction of what follows: written out, so that no text draws over another. */
const UNPRINTABLE = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Columns as wide as their widest cell; the last one runs free. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [header, ...rows.map((row) => row.map(printable))];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `1.2 s`, `3 min`, `2 h`, `5 d`: enough to judge an age by. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(ageMs, 0) / 1_000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export const formatTime = (wallMs: number): string => new Date(wallMs).toISOString();

/** Who has a change in force; who has not, of those that are there or should be, is named. */
export function describeEnforced({ ready, waiting }: Enforced): string {
  const all = [...ready, ...waiting];
  const kinds = all.every(isGatewayReceiver) ? "gateways" : "gateways and agents";
  return `in force at ${ready.length} of ${all.length} ${kinds}${notYet(waiting.join(", "))}`;
}

/** Of a change that answers with what was changed: who does not have it in force yet, if anybody. */
export const describeWaiting = (headers: IncomingHttpHeaders): string =>
  notYet(String(headers[WAITING_HEADER] ?? ""));

const notYet = (names: string): string =>
  names === "" ? "" : `; not yet, or not reachable: ${names}`;
