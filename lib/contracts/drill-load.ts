import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

/*
 * Between the drill runner, its load generator and the function under test. Times are milliseconds of the machine's monotonic
 * clock, one for all its processes, unless they say wall.
 */
const closed = { additionalProperties: false } as const;

/** One stream of numbered calls to one address. */
export const LoadSeries = Type.Object(
  {
    name: Type.String(),
    /** Where the series connects, without a path: the shared address or one gateway. */
    endpoint: Type.String(),
    /** The zone whose gateway the series is aimed at; null for the shared address. */
    gatewayZone: Type.Union([Name, Type.Null()]),
    functionName: Name,
    isIdempotent: Type.Boolean(),
  },
  closed,
);
export type LoadSeries = Static<typeof LoadSeries>;

/** First line on the generator's standard input. The end of its input stops the load. */
export const LoadPlan = Type.Object(
  {
    runId: Type.String(),
    seed: Type.Integer({ minimum: 0 }),
    startAtMs: Type.Number(),
    requestsPerSecond: Type.Number({ exclusiveMinimum: 0 }),
    timeoutMs: Type.Integer({ minimum: 1 }),
    tenant: Name,
    apiKey: Type.String(),
    /** The callers' zones, in turn: a call is routed as if its caller were near that zone. */
    callerZones: Type.Array(Name, { minItems: 1 }),
    series: Type.Array(LoadSeries, { minItems: 1 }),
    /** Where each call is written once it ended, one JSON object a line. */
    callsFile: Type.String(),
  },
  closed,
);
export type LoadPlan = Static<typeof LoadPlan>;

/**
 * `refused`: no connection, so nothing was sent. `reset`: the connection broke after the call was written to it. `wrong`: an
 * answer of another call or the function's own error. `unsent`: due, but never sent, as too many were in flight.
 */
export const CallOutcome = Type.Enum([
  "ok",
  "refused",
  "reset",
  "timeout",
  "status",
  "wrong",
  "unsent",
]);
export type CallOutcome = Static<typeof CallOutcome>;

export const CallRecord = Type.Object(
  {
    id: Type.String(),
    series: Type.String(),
    callerZone: Name,
    /** When the call was due; its latency counts from here, however late it was sent. */
    intendedMs: Type.Number(),
    sentMs: Type.Number(),
    endedMs: Type.Number(),
    outcome: CallOutcome,
    /** HTTP status, when there was an answer. */
    status: Type.Union([Type.Integer(), Type.Null()]),
    /** The problem's code or the socket's error, of calls that did not go well. */
    detail: Type.Union([Type.String(), Type.Null()]),
    /** The zone that served it, and how many attempts the gateway made. */
    zone: Type.Union([Type.String(), Type.Null()]),
    attempts: Type.Union([Type.Integer(), Type.Null()]),
  },
  closed,
);
export type CallRecord = Static<typeof CallRecord>;

/** A line on the generator's standard output: `tick` each 100 ms with the calls that ended since the last, and one `finished`. */
export const LoadMessage = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("tick"),
      atMs: Type.Number(),
      /** Calls that ended, by series; those without any are left out. */
      series: Type.Array(
        Type.Object({ name: Type.String(), ok: Type.Integer(), failed: Type.Integer() }, closed),
      ),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("finished"), calls: Type.Integer() }, closed),
]);
export type LoadMessage = Static<typeof LoadMessage>;

/** What the function under test appends to the ledger each time it starts, before it does anything else. */
export const LedgerEntry = Type.Object({
  id: Type.String(),
  pid: Type.Integer(),
  /** Wall clock. */
  atMs: Type.Number(),
});
export type LedgerEntry = Static<typeof LedgerEntry>;
