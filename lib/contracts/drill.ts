import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

const closed = { additionalProperties: false } as const;

/** The `meridian` entry among the `extensions` of a Chaos Toolkit experiment: what a drill needs and that format lacks. */
export const DrillExtension = Type.Object(
  {
    name: Type.Literal("meridian"),
    drill: Type.Object(
      {
        kind: Type.Union([Type.Literal("zone-kill")]),
        seed: Type.Integer({ minimum: 0 }),
        target: Type.Object({ zone: Name }, closed),
        /** Tenants whose traffic the drill may touch. */
        tenants: Type.Array(Name, { minItems: 1 }),
        /** At most this share of the zones may be faulted at once. */
        blastRadiusPercentMax: Type.Number({ exclusiveMinimum: 0, maximum: 100 }),
        /** The fault is undone after this time whatever becomes of the runner. */
        deadManMs: Type.Integer({ minimum: 1_000, maximum: 3_600_000 }),
        load: Type.Object(
          {
            /** Arrivals per second of each series, open loop. */
            requestsPerSecond: Type.Number({ exclusiveMinimum: 0, maximum: 10_000 }),
            lateAfterMs: Type.Integer({ minimum: 1 }),
            timeoutMs: Type.Integer({ minimum: 1 }),
          },
          closed,
        ),
        phases: Type.Object(
          {
            baselineMs: Type.Integer({ minimum: 1_000 }),
            faultMs: Type.Integer({ minimum: 1_000 }),
            recoveryMs: Type.Integer({ minimum: 1_000 }),
          },
          closed,
        ),
        /** Each is a promise; the verdict names those that broke. */
        bounds: Type.Object(
          {
            shiftedAfterMsMax: Type.Number({ minimum: 0 }),
            detectedAfterMsMax: Type.Number({ minimum: 0 }),
            idempotentLostMax: Type.Integer({ minimum: 0 }),
            duplicatedMax: Type.Integer({ minimum: 0 }),
            lateMax: Type.Integer({ minimum: 0 }),
            connectionLostMax: Type.Integer({ minimum: 0 }),
            restoredAfterMsMax: Type.Number({ minimum: 0 }),
          },
          closed,
        ),
        /** Ends the drill early, undoing the fault. */
        abort: Type.Object(
          {
            failedPercentMax: Type.Number({ minimum: 0, maximum: 100 }),
            windowMs: Type.Integer({ minimum: 500 }),
          },
          closed,
        ),
      },
      closed,
    ),
  },
  closed,
);
export type DrillExtension = Static<typeof DrillExtension>;

export const DRILL_VERDICTS = [
  "PASSED",
  "FAILED",
  "ABORTED",
  "INTERRUPTED",
  "BLOCKED",
  "INVALID",
] as const;
export type DrillVerdict = (typeof DRILL_VERDICTS)[number];
/** What `meridian drill run` ends with. */
export const DRILL_EXIT_CODES: Readonly<Record<DrillVerdict, number>> = {
  PASSED: 0,
  FAILED: 1,
  INVALID: 2,
  BLOCKED: 2,
  ABORTED: 3,
  INTERRUPTED: 3,
};

/** One bound, held against what was measured. */
export const DrillFinding = Type.Object(
  {
    bound: Type.String(),
    limit: Type.Number(),
    measured: Type.Union([Type.Number(), Type.Null()]),
    holds: Type.Boolean(),
    meaning: Type.String(),
  },
  closed,
);
export type DrillFinding = Static<typeof DrillFinding>;

/** Counts of one series of numbered calls. */
export const DrillSeries = Type.Object(
  {
    name: Type.String(),
    endpoint: Type.String(),
    isIdempotent: Type.Boolean(),
    sent: Type.Integer(),
    succeeded: Type.Integer(),
    /** No good answer although the function may be called again: failed, refused or timed out. */
    lost: Type.Integer(),
    /** Started more than once, counted inside the function; allowed for idempotent functions, told all the same. */
    duplicated: Type.Integer(),
    late: Type.Integer(),
    /** The client's connection was held by the gateway that was killed. */
    connectionLost: Type.Integer(),
    latencyMs: Type.Object({ p50: Type.Number(), p99: Type.Number(), max: Type.Number() }, closed),
  },
  closed,
);
export type DrillSeries = Static<typeof DrillSeries>;

export const DrillReport = Type.Object(
  {
    runId: Type.String(),
    title: Type.String(),
    verdict: Type.Enum(DRILL_VERDICTS),
    /** Told apart from the verdict: what the drill left behind. */
    cleanup: Type.Union([Type.Literal("CLEAN"), Type.Literal("DIRTY")]),
    leftBehind: Type.Array(Type.String()),
    reasons: Type.Array(Type.String()),
    withoutFailover: Type.Boolean(),
    startedAtMs: Type.Integer(),
    seed: Type.Integer(),
    target: Type.Object({ zone: Name }, closed),
    /** Milliseconds after the fault was proved to act; null when it never happened. */
    timings: Type.Object(
      {
        detectedAfterMs: Type.Union([Type.Number(), Type.Null()]),
        shiftedAfterMs: Type.Union([Type.Number(), Type.Null()]),
        restoredAfterMs: Type.Union([Type.Number(), Type.Null()]),
      },
      closed,
    ),
    findings: Type.Array(DrillFinding),
    series: Type.Array(DrillSeries),
    generator: Type.Object(
      { slipP999Ms: Type.Number(), unsent: Type.Integer(), isHealthy: Type.Boolean() },
      closed,
    ),
    /** One point a second over all series, for the timeline. */
    timeline: Type.Array(
      Type.Object(
        {
          second: Type.Integer(),
          sent: Type.Integer(),
          succeeded: Type.Integer(),
          failed: Type.Integer(),
          late: Type.Integer(),
          byZone: Type.Record(Type.String(), Type.Integer()),
        },
        closed,
      ),
    ),
    events: Type.Array(Type.Object({ atMs: Type.Number(), what: Type.String() }, closed)),
    machine: Type.Object(
      { cores: Type.Integer(), node: Type.String(), platform: Type.String() },
      closed,
    ),
  },
  closed,
);
export type DrillReport = Static<typeof DrillReport>;
