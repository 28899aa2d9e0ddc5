import { type Static, Type } from "typebox";
import { ClassDemand, DEMAND_CLASSES_MAX, TierDemand } from "./control-records.ts";
import { extensible } from "./extensible.ts";
import { IsolationLevel, IsolationReport } from "./isolation.ts";
import { Digest, Name, VersionNumber } from "./names.ts";
import { Position } from "./route-table.ts";

/* What runs in a zone tells its federator each second: `POST /internal/reports`. Newest wins; nothing is stored. */

/** One class is this much wider than the one before, so that `1.2 times slower` is exactly one class higher. */
export const LATENCY_CLASS_RATIO = 1.2;
/**
 * The upper ends of the classes in which latencies are counted, from 10 ms to about a minute; the last class is open. What takes less
 * than 10 ms is all the same.
 */
export const LATENCY_CLASSES_MS: readonly number[] = Array.from(
  { length: 49 },
  (_, index) => 10 * LATENCY_CLASS_RATIO ** index,
);

/** One arm of a rollout: the new version, or an equal-size control of the old one. Counters only grow, within one process. */
export const RolloutArm = Type.Object(
  {
    rolloutId: Type.String(),
    /** Which step of the rollout these calls were counted in: a step is judged by its own calls. */
    step: Type.String({ maxLength: 32 }),
    arm: Type.Union([Type.Literal("canary"), Type.Literal("control")]),
    calls: Type.Integer({ minimum: 0 }),
    /** The function's own errors, time-outs and lost instances; never 4xx or the platform's refusals. */
    errors: Type.Integer({ minimum: 0 }),
    /** One count for each class of `LATENCY_CLASSES_MS` and one for what took longer; calls that waited for a cold start are in none. */
    latencyCounts: Type.Array(Type.Integer({ minimum: 0 }), {
      minItems: LATENCY_CLASSES_MS.length + 1,
      maxItems: LATENCY_CLASSES_MS.length + 1,
    }),
  },
  extensible,
);
export type RolloutArm = Static<typeof RolloutArm>;

export const ERROR_TYPE_CHARACTERS_MAX = 128;
/** A version whose instances fail one after the other while they start: callers are answered with the last failure. */
export const FailingStart = Type.Object(
  {
    /** In a row. */
    failures: Type.Integer({ minimum: 1 }),
    /** Of the last failure, such as `Runtime.ImportModuleError`. */
    errorType: Type.String({ maxLength: ERROR_TYPE_CHARACTERS_MAX }),
    /** No instance is started before. */
    retryInMs: Type.Integer({ minimum: 0 }),
  },
  extensible,
);
export type FailingStart = Static<typeof FailingStart>;

/** Calls of one version that a cluster runs or holds back. */
const VersionCalls = Type.Object(
  {
    tenant: Name,
    functionName: Name,
    version: VersionNumber,
    calls: Type.Integer({ minimum: 0 }),
  },
  extensible,
);
export type VersionCalls = Static<typeof VersionCalls>;
/** Those with the most calls; the others are started when they are called. */
export const VERSION_CALLS_MAX = 100;

/** The newest that an agent names. */
export const CODE_TROUBLES_MAX = 20;
/** An archive that a cluster could not put in place. Calls for it are answered with the last failure until it is tried again. */
export const CodeTroubleReport = Type.Object(
  {
    digest: Digest,
    /** Such as `MERIDIAN_CODE_INVALID`. */
    code: Type.String({ maxLength: 64 }),
    detail: Type.String({ maxLength: 300 }),
    /** In a row. */
    failures: Type.Integer({ minimum: 1 }),
    retryInMs: Type.Integer({ minimum: 0 }),
  },
  extensible,
);
export type CodeTroubleReport = Static<typeof CodeTroubleReport>;

export const AgentReport = Type.Object(
  {
    program: Type.Literal("agent"),
    clusterId: Name,
    instancesMax: Type.Integer({ minimum: 0 }),
    /** Calls it can serve at the same time; absent: `instancesMax`. */
    capacitySlots: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Versions it runs that its table does not know: quarantined, neither called nor deleted. */
    quarantined: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Digests of its table whose code it does not hold yet; the first 100. */
    codeMissing: Type.Optional(Type.Array(Digest, { maxItems: 100 })),
    /** What of that failed. Absent: nothing. */
    codeTroubles: Type.Optional(Type.Array(CodeTroubleReport, { maxItems: CODE_TROUBLES_MAX })),
    /** Absent: not proved yet. */
    isolation: Type.Optional(IsolationReport),
    inFlight: Type.Integer({ minimum: 0 }),
    functions: Type.Array(
      Type.Object(
        {
          tenant: Name,
          functionName: Name,
          version: VersionNumber,
          starting: Type.Integer({ minimum: 0 }),
          idle: Type.Integer({ minimum: 0 }),
          busy: Type.Integer({ minimum: 0 }),
          queued: Type.Integer({ minimum: 0 }),
          /** Absent: its instances start. */
          failing: Type.Optional(FailingStart),
          /** Instances that it should have without a call and that there is no room for. Absent: it has them. */
          wanted: Type.Optional(Type.Integer({ minimum: 0 })),
          /** Instances that were to end and do not. Absent: none. */
          stuck: Type.Optional(Type.Integer({ minimum: 0 })),
        },
        extensible,
      ),
    ),
  },
  extensible,
);
export type AgentReport = Static<typeof AgentReport>;

/** What an agent is told in return: what ran in the other zones when they were last heard, so that it can stand in for them. */
export const AgentReportAnswer = Type.Object(
  {
    neighbours: Type.Array(
      Type.Object(
        { zone: Name, calls: Type.Array(VersionCalls, { maxItems: VERSION_CALLS_MAX }) },
        extensible,
      ),
    ),
  },
  extensible,
);
export type AgentReportAnswer = Static<typeof AgentReportAnswer>;

export const GatewayReport = Type.Object(
  {
    program: Type.Literal("gateway"),
    receiver: Type.String({ maxLength: 128 }),
    /** Changes with each start: counters that only grow began again at 0. */
    bootId: Type.Optional(Type.String({ maxLength: 64 })),
    /** Requests offered per second, refused ones included, as an average over about two seconds. */
    demand: Type.Array(
      Type.Object({ tenant: Name, requestsPerSecond: Type.Number({ minimum: 0 }) }, extensible),
    ),
    /** Calls in flight, as an average over about two seconds; what an operator's plan is made from. */
    inFlight: Type.Optional(TierDemand),
    /** The same by placement and by the zone nearest to the caller, with what was shed counted as if it had been carried. */
    classDemand: Type.Optional(Type.Array(ClassDemand, { maxItems: DEMAND_CLASSES_MAX + 1 })),
    /** What it counted of the rollouts that run, since it started. */
    arms: Type.Optional(Type.Array(RolloutArm, { maxItems: 1_000 })),
    /** Clusters this gateway does not use now, and why. */
    avoided: Type.Array(
      Type.Object({ clusterId: Name, reason: Type.String({ maxLength: 64 }) }, extensible),
    ),
  },
  extensible,
);
export type GatewayReport = Static<typeof GatewayReport>;

export const ZoneReport = Type.Union([AgentReport, GatewayReport]);
export type ZoneReport = Static<typeof ZoneReport>;

/** What a federator tells the other federators, each 500 ms and on change: `POST /internal/observations`. */
export const Observation = Type.Object(
  {
    zone: Name,
    /** Grows with every message of one process; an older one is ignored. */
    sequence: Type.Integer({ minimum: 0 }),
    bootId: Type.String(),
    /** By the sender's monotonic clock, so that the receiver can tell what took longer than usual; absent: as old as its receipt. */
    sentAtMs: Type.Optional(Type.Number()),
    /** False when the observer distrusts itself: its event loop lags, or most of its targets look down. */
    isQualified: Type.Boolean(),
    clusters: Type.Array(
      Type.Object(
        {
          clusterId: Name,
          view: Type.Union([Type.Literal("up"), Type.Literal("down"), Type.Literal("unknown")]),
          sinceMs: Type.Number(),
        },
        extensible,
      ),
    ),
    /** Where the zone's replica is, and the newest table that a gateway of the zone accepted, or turned down. */
    position: Type.Optional(Position),
    accepted: Type.Optional(Position),
    refused: Type.Optional(Position),
    /** The newest table that the zone's agent has in force; absent where it is not connected. */
    agentAccepted: Type.Optional(Position),
    /** What a restored catalog lost and this zone keeps and serves: until an operator decides, no zone takes changes. Absent: nothing. */
    strandedRecords: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Calls that the zone's cluster can serve at the same time, and what enters the federation in this zone. */
    capacitySlots: Type.Optional(Type.Integer({ minimum: 0 })),
    /** What the zone's cluster has proved. Absent beside `capacitySlots`: nothing; absent without: nothing was heard of it. */
    isolationLevel: Type.Optional(IsolationLevel),
    inFlight: Type.Optional(TierDemand),
    classDemand: Type.Optional(Type.Array(ClassDemand, { maxItems: DEMAND_CLASSES_MAX + 1 })),
    /** The busiest versions of the zone's cluster; absent: none. */
    versionCalls: Type.Optional(Type.Array(VersionCalls, { maxItems: VERSION_CALLS_MAX })),
    /** All gateways of the zone together. */
    arms: Type.Optional(Type.Array(RolloutArm, { maxItems: 1_000 })),
    /** Demand of the zone's gateways, for dividing quotas. */
    demand: Type.Array(
      Type.Object({ tenant: Name, requestsPerSecond: Type.Number({ minimum: 0 }) }, extensible),
    ),
  },
  extensible,
);
export type Observation = Static<typeof Observation>;
