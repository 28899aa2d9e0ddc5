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

/** A look at the system: the answer must have the status in `tolerance`. `${endpoint}` is the federation's address. */
export const SteadyStateProbe = Type.Object(
  {
    type: Type.Literal("probe"),
    name: Type.String({ minLength: 1 }),
    tolerance: Type.Integer({ minimum: 100, maximum: 599 }),
    provider: Type.Object(
      {
        type: Type.Literal("http"),
        url: Type.String({ minLength: 1 }),
        /** Seconds, as Chaos Toolkit has it. */
        timeout: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
      },
      closed,
    ),
  },
  closed,
);
export type SteadyStateProbe = Static<typeof SteadyStateProbe>;

/** What Chaos Toolkit's own runner would execute; Meridian's does the same through `up` and holds it to `drill.target`. */
export const ExperimentAction = Type.Object(
  {
    type: Type.Literal("action"),
    name: Type.String({ minLength: 1 }),
    provider: Type.Object(
      {
        type: Type.Literal("process"),
        path: Type.String({ minLength: 1 }),
        arguments: Type.Array(Type.String()),
        timeout: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
      },
      closed,
    ),
    /** Seconds, as Chaos Toolkit has it. */
    pauses: Type.Optional(
      Type.Object(
        { before: Type.Optional(Type.Number()), after: Type.Optional(Type.Number()) },
        closed,
      ),
    ),
  },
  closed,
);
export type ExperimentAction = Static<typeof ExperimentAction>;

/** A drill file: a Chaos Toolkit experiment whose `extensions` hold one `meridian` entry among any others. */
export const Experiment = Type.Object(
  {
    version: Type.Optional(Type.String()),
    title: Type.String({ minLength: 1 }),
    description: Type.String({ minLength: 1 }),
    tags: Type.Optional(Type.Array(Type.String())),
    contributions: Type.Optional(Type.Record(Type.String(), Type.String())),
    configuration: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    "steady-state-hypothesis": Type.Object(
      {
        title: Type.String({ minLength: 1 }),
        probes: Type.Array(SteadyStateProbe, { minItems: 1 }),
      },
      closed,
    ),
    method: Type.Array(ExperimentAction, { minItems: 1 }),
    rollbacks: Type.Array(ExperimentAction, { minItems: 1 }),
    extensions: Type.Array(Type.Object({ name: Type.String() })),
  },
  closed,
);
export type Experiment = Static<typeof Experiment>;

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

/** `fault` begins once the fault is proved to act and ends once its undoing has returned. */
export const DrillPhase = Type.Enum(["baseline", "fault", "recovery"]);
export type DrillPhase = Static<typeof DrillPhase>;

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
    /** Wall clock. The times of timeline, phases and events count from here: when the load began. */
    startedAtMs: Type.Integer(),
    seed: Type.Integer(),
    target: Type.Object({ zone: Name }, closed),
    /**
     * Detected and shifted: after the fault was proved to act; restored: after its undoing returned. Null: it never happened; what
     * was never detected, so never taken out, is not restored either, and has no finding about it.
     */
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
      {
        slipP999Ms: Type.Number(),
        /** With more, the run is INVALID. */
        slipP999MsMax: Type.Number(),
        unsent: Type.Integer(),
        isHealthy: Type.Boolean(),
      },
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
          connectionLost: Type.Integer(),
          /** Of the good answers; null in a second without one. */
          p50Ms: Type.Union([Type.Number(), Type.Null()]),
          p99Ms: Type.Union([Type.Number(), Type.Null()]),
          byZone: Type.Record(Type.String(), Type.Integer()),
        },
        closed,
      ),
    ),
    /** Why calls were lost: outcome and code of the answer, with how many calls each. */
    causes: Type.Array(
      Type.Object({ series: Type.String(), cause: Type.String(), calls: Type.Integer() }, closed),
    ),
    /** In milliseconds; phases that were not reached are absent. */
    phases: Type.Array(
      Type.Object({ name: DrillPhase, fromMs: Type.Number(), untilMs: Type.Number() }, closed),
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
