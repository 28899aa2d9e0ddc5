import type { BenchTable } from "../report.ts";
import type { WayRounds } from "./rounds.ts";

/** The ways that the others are compared with. */
export interface Compared {
  readonly nginx: string;
  readonly go: string;
}

/** Medians over the rounds of one way. */
export interface GatewayRow {
  readonly way: string;
  readonly requestsPerSecond: number;
  /** Null where there is no proxy between. */
  readonly cpuMicrosPerRequest: number | null;
  readonly busyPercent: number | null;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly steadyP50Micros: number;
  readonly steadyP99Micros: number;
  readonly steadyErrors: number;
  readonly slipP99Micros: number;
  /** (the other's CPU per request) / (this one's): above 1 is cheaper than the other. */
  readonly againstNginx: number | null;
  readonly againstGo: number | null;
}

export function toGatewayRows(results: readonly WayRounds[], compared: Compared): GatewayRow[] {
  const cpuOf = (name: string): number | null => {
    const found = results.find(({ way }) => way.name === name);
    return found === undefined ? null : median(found.full, "cpuMicrosPerRequest");
  };
  return results.map(({ way, full, steady }) => {
    const isProxy = way.pids.length > 0;
    const cpuMicros = isProxy ? median(full, "cpuMicrosPerRequest") : null;
    return {
      way: way.name,
      requestsPerSecond: Math.round(median(full, "requestsPerSecond")),
      cpuMicrosPerRequest: cpuMicros === null ? null : rounded(cpuMicros, 10),
      busyPercent: isProxy ? Math.round(median(full, "busyPercent")) : null,
      p50Micros: Math.round(median(full, "p50Micros")),
      p99Micros: Math.round(median(full, "p99Micros")),
      steadyP50Micros: Math.round(median(steady, "p50Micros")),
      steadyP99Micros: Math.round(median(steady, "p99Micros")),
      steadyErrors: steady.reduce((sum, { errors }) => sum + errors, 0),
      slipP99Micros: Math.round(median(steady, "slipP99Micros")),
      againstNginx: ratio(cpuOf(compared.nginx), cpuMicros),
      againstGo: ratio(cpuOf(compared.go), cpuMicros),
    };
  });
}

function median<Key extends string>(
  readings: readonly Readonly<Record<Key, number>>[],
  figure: Key,
): number {
  const sorted = readings.map((reading) => reading[figure]).toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

const ratio = (theirs: number | null, own: number | null): number | null =>
  theirs === null || own === null ? null : rounded(theirs / own, 100);

const rounded = (value: number, parts: number): number => Math.round(value * parts) / parts;

export function gatewayTables(
  rows: readonly GatewayRow[],
  compared: Compared,
  steadyPerSecond: number,
): BenchTable[] {
  return [
    {
      title: "At full load",
      heads: [
        "way",
        "CPU µs/request",
        `${compared.nginx} / it`,
        `${compared.go} / it`,
        "busy",
        "requests/s",
        "p50 µs",
        "p99 µs",
      ],
      rows: rows.map((row) => [
        row.way,
        text(row.cpuMicrosPerRequest),
        text(row.againstNginx, " ×"),
        text(row.againstGo, " ×"),
        text(row.busyPercent, " %"),
        String(row.requestsPerSecond),
        String(row.p50Micros),
        String(row.p99Micros),
      ]),
    },
    {
      title: `At ${steadyPerSecond} requests/s`,
      heads: ["way", "p50 µs", "p99 µs", "failed"],
      rows: rows.map((row) => [
        row.way,
        String(row.steadyP50Micros),
        String(row.steadyP99Micros),
        String(row.steadyErrors),
      ]),
    },
  ];
}

const text = (value: number | null, unit = ""): string => (value === null ? "" : `${value}${unit}`);
