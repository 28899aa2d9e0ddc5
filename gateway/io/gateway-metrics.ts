import { createBoundedCells } from "../core/bounded-cells.ts";
import { type CallCell, callCells, countCall } from "../core/call-cell.ts";
import type { AttemptFailure } from "../core/decide-retry.ts";
import { CALL_OUTCOMES } from "../core/judge-outcome.ts";
import type { Receipt } from "../call.ts";
import type { RequestRecord } from "../stages/account.ts";
import { type CounterSample, type MetricFamily, writeFamilies } from "./metric-families.ts";

export interface GatewayMetrics {
  readonly request: (record: RequestRecord) => void;
  /** Answered before there was a request. */
  readonly refusal: (status: number) => void;
  /** Closed unheard: its address had too many. */
  readonly connectionRefused: () => void;
  readonly retry: (failure: AttemptFailure) => void;
  readonly hedge: (hasWon: boolean) => void;
  /** Bytes of a body that was passed on as it came. */
  readonly streamed: (direction: StreamDirection, bytes: number) => void;
  readonly counts: () => GatewayCounts;
  /** In Prometheus' text format. */
  readonly text: () => Promise<string>;
}

/** Since the gateway started. */
export interface GatewayCounts {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly retries: Readonly<Record<string, number>>;
  readonly limited: Readonly<Record<string, number>>;
}

type StreamDirection = (typeof STREAM_DIRECTIONS)[number];
const STREAM_DIRECTIONS = ["in", "out"] as const;
const STATUS_CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const FAILURES: readonly AttemptFailure[] = ["not-sent", "not-begun", "refused", "maybe-executed"];
const LIMITS: readonly NonNullable<Receipt["limitedBy"]>[] = [
  "rate",
  "concurrency",
  "plan",
  "cluster",
];
const REFUSAL_STATUSES = ["400", "405", "408", "431", "other"];
const FALLBACKS: readonly NonNullable<Receipt["fallback"]>[] = ["version", "answer"];
const BOUNDS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];
/** Coarser, as there are a thousand of them. */
const FUNCTION_BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];
const FUNCTIONS_MAX = 1_000;
/** Functions are compared by their use no more often than this. */
const REVIEW_INTERVAL_MS = 10_000;
/** In place of the name of every function that is not among the most used; no tenant and no function can have it. */
const OTHER = "_other";
/** Of a call that no cluster was tried for. */
const NO_ZONE = "_none";

/** Rate, errors and durations, of all requests, by function and by the zone that served them. */
export function gatewayMetrics(
  zone: string,
  nowMs: () => number,
  more: readonly MetricFamily[] = [],
): GatewayMetrics {
  const statuses = tally(STATUS_CLASSES);
  const retries = tally(FAILURES);
  const limited = tally(LIMITS);
  const fallbacks = tally(FALLBACKS);
  const refusals = tally(REFUSAL_STATUSES);
  const connections = tally(["address"]);
  const hedges = tally(["won", "lost"]);
  const calls = tally(CALL_OUTCOMES);
  const streamed = tally(STREAM_DIRECTIONS);
  const requests = callCells(BOUNDS_MS).create();
  const functions = createBoundedCells(FUNCTIONS_MAX, callCells(FUNCTION_BOUNDS_MS));
  const zoneCells = callCells(FUNCTION_BOUNDS_MS);
  const zones = new Map<string, CallCell>();
  let reviewedAtMs = nowMs();

  const zoneCell = (name: string): CallCell => {
    const known = zones.get(name);
    if (known !== undefined) return known;
    const cell = zoneCells.create();
    zones.set(name, cell);
    return cell;
  };
  const byFunction = (): readonly LabelledCell[] => [
    { labels: { tenant: OTHER, function: OTHER }, cell: functions.rest },
    ...Array.from(functions.named(), ({ tenant, functionName, cell }) => ({
      labels: { tenant, function: functionName },
      cell,
    })),
  ];
  const byZone = (): readonly LabelledCell[] =>
    Array.from(zones, ([name, cell]) => ({ labels: { served_by: name }, cell }));

  const families: readonly MetricFamily[] = [
    counter(
      "meridian_gateway_requests_total",
      "Requests answered, by class of status.",
      statuses.samples("status_class"),
    ),
    histogram(
      "meridian_gateway_request_duration_seconds",
      "From the request's headers to the end of its answer.",
      () => [{ labels: {}, cell: requests }],
    ),
    counter(
      "meridian_gateway_calls_total",
      "Calls of functions by how they ended, those included that no function could be found for.",
      calls.samples("outcome"),
    ),
    counter(
      "meridian_gateway_function_requests_total",
      "Calls by function and by how they ended; those beyond the thousand most used are together as `_other`.",
      outcomesOf(byFunction),
    ),
    histogram(
      "meridian_gateway_function_duration_seconds",
      "The same calls, from the request's headers to the end of the answer.",
      byFunction,
    ),
    counter(
      "meridian_gateway_zone_requests_total",
      "Calls of functions by the zone whose cluster was tried last, and by how they ended.",
      outcomesOf(byZone),
    ),
    histogram(
      "meridian_gateway_zone_duration_seconds",
      "The same calls, from the request's headers to the end of the answer.",
      byZone,
    ),
    counter(
      "meridian_gateway_retries_total",
      "Further attempts at another cluster, by what was proved of the one before.",
      retries.samples("failure"),
    ),
    counter(
      "meridian_gateway_limited_total",
      "Calls turned away, by the limit of the tenant that was used up, `plan` where the federation is full, or `cluster` where each cluster has as many calls of this gateway as it may.",
      limited.samples("limit"),
    ),
    counter(
      "meridian_gateway_fallbacks_total",
      "Calls whose function's circuit is open on every cluster, by what answered in its place.",
      fallbacks.samples("kind"),
    ),
    counter(
      "meridian_gateway_refused_unread_total",
      "Answered before there was a request, by status: what is not HTTP, headers that are too long or too late, CONNECT.",
      refusals.samples("status"),
    ),
    counter(
      "meridian_gateway_connections_refused_total",
      "Connections that were closed at once, by the limit that they were beyond.",
      connections.samples("limit"),
    ),
    counter(
      "meridian_gateway_hedges_total",
      "Second attempts at calls that took long, by whether they were the ones that answered.",
      hedges.samples("result"),
    ),
    counter(
      "meridian_gateway_streamed_bytes_total",
      "Bytes of bodies, WebSockets among them, that were passed on as they came: `in` from callers, `out` to them.",
      streamed.samples("direction"),
    ),
  ];

  return {
    request: ({ doorKind, status, outcome, durationMs, receipt }) => {
      statuses.add(STATUS_CLASSES[Math.floor(status / 100) - 1]);
      countCall(requests, outcome, durationMs);
      if (doorKind === "invoke" || doorKind === "http") calls.add(outcome);
      limited.add(receipt.limitedBy);
      fallbacks.add(receipt.fallback);
      const { tenant, functionName } = receipt;
      if (tenant === undefined || functionName === undefined) return;
      countCall(functions.cellOf(tenant, functionName), outcome, durationMs);
      countCall(zoneCell(receipt.zone ?? NO_ZONE), outcome, durationMs);
    },
    refusal: (status) => {
      statuses.add(STATUS_CLASSES[Math.floor(status / 100) - 1]);
      const name = String(status);
      refusals.add(REFUSAL_STATUSES.includes(name) ? name : "other");
    },
    connectionRefused: () => connections.add("address"),
    retry: retries.add,
    hedge: (hasWon) => hedges.add(hasWon ? "won" : "lost"),
    streamed: streamed.add,
    counts: () => ({
      outcomes: calls.counts(),
      retries: retries.counts(),
      limited: limited.counts(),
    }),
    text: () => {
      if (nowMs() - reviewedAtMs >= REVIEW_INTERVAL_MS) {
        functions.review();
        reviewedAtMs = nowMs();
      }
      return writeFamilies([...families, ...more], { program: "gateway", zone });
    },
  };
}

interface LabelledCell {
  readonly labels: Readonly<Record<string, string>>;
  readonly cell: CallCell;
}

const counter = (
  name: string,
  help: string,
  read: () => readonly CounterSample[],
): MetricFamily => ({ kind: "counter", name, help, read });

const histogram = (
  name: string,
  help: string,
  cells: () => readonly LabelledCell[],
): MetricFamily => ({
  kind: "histogram",
  name,
  help,
  read: () =>
    cells().map(({ labels, cell: { boundsMs, durations, totalMs } }) => ({
      labels,
      boundsMs,
      counts: durations,
      totalMs,
    })),
});

/** Outcomes that a function never had take no line. */
const outcomesOf =
  (cells: () => readonly LabelledCell[]): (() => readonly CounterSample[]) =>
  () =>
    cells().flatMap(({ labels, cell }) =>
      CALL_OUTCOMES.flatMap((outcome, index) => {
        const value = cell.outcomes[index] ?? 0;
        return value === 0 ? [] : [{ labels: { ...labels, outcome }, value }];
      }),
    );

/** Counts of a few names that are known beforehand. */
function tally<Name extends string>(names: readonly Name[]) {
  const counts = new Map(names.map((name) => [name, 0]));
  return {
    add: (name: Name | undefined, count = 1): void => {
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + count);
    },
    counts: (): Record<string, number> => Object.fromEntries(counts),
    samples: (label: string) => (): readonly CounterSample[] =>
      Array.from(counts, ([name, value]) => ({ labels: { [label]: name }, value })),
  };
}
