import { Type, type Static } from "typebox";
import { extensible } from "./extensible.ts";
import { IsolationLevel } from "./isolation.ts";
import { Name } from "./names.ts";
import { Placement } from "./placement.ts";

/*
 * What the federators decide together, and what operators told them; in the catalog beside the records of functions.
 */

/** Bound to the leader's catalog lease; the record's create revision is the fencing token of everything it writes. */
export const LeaderRecord = Type.Object({ zone: Name, sessionId: Type.String() }, extensible);
export type LeaderRecord = Static<typeof LeaderRecord>;

export const VerdictState = Type.Union([Type.Literal("up"), Type.Literal("down")]);
/** The federation's durable decision on a cluster. A cluster without a record was never seen. */
export const VerdictRecord = Type.Object(
  {
    clusterId: Name,
    state: VerdictState,
    /** `planned` downs (drained, stopped on purpose, never seen) come back at the first good probe, without hold or ramp. */
    cause: Type.Union([
      Type.Literal("unplanned"),
      Type.Literal("planned"),
      Type.Literal("first-seen"),
    ]),
    /** The zones whose observation carried it. */
    evidence: Type.Array(Name),
    decidedBy: Name,
    decidedAtMs: Type.Integer(),
    /** Unplanned downs so far; each doubles the hold before the next return. */
    flaps: Type.Integer({ minimum: 0 }),
    /** Of a `planned` down: the session of the process that is to stop. Its return under the same one is no return. */
    stoppedSession: Type.Optional(Type.String()),
  },
  extensible,
);
export type VerdictRecord = Static<typeof VerdictRecord>;

/** Calls in flight at the same time, by tier. */
export const TierDemand = Type.Object(
  {
    critical: Type.Integer({ minimum: 0 }),
    normal: Type.Integer({ minimum: 0 }),
    batch: Type.Integer({ minimum: 0 }),
  },
  extensible,
);
export type TierDemand = Static<typeof TierDemand>;

/** The calls of all functions whose placement follows one rule, by the zone that is nearest to the caller. */
export const ClassDemand = Type.Object(
  {
    regions: Placement.properties.regions,
    spread: Type.Union([Type.Literal("nearest"), Type.Literal("even")]),
    failback: Type.Union([Type.Literal("automatic"), Type.Literal("manual")]),
    /** Absent: `L0`. */
    minIsolation: Type.Optional(IsolationLevel),
    origins: Type.Record(Name, TierDemand),
  },
  extensible,
);
export type ClassDemand = Static<typeof ClassDemand>;
/** Placements of further rules are counted with those that may run anywhere. */
export const DEMAND_CLASSES_MAX = 16;

/**
 * The one input of the plan besides metadata, written by the leader only, fenced by its token, at most once a second and only
 * on change. Capacities and demands are rounded to 5 %.
 */
export const PlanInputRecord = Type.Object(
  {
    /** Share of its normal weight a returning cluster may take, in percent; absent means 100. */
    rampPercent: Type.Record(Name, Type.Integer({ minimum: 0, maximum: 100 })),
    /** Calls each cluster can serve at the same time, as its agent says; absent means not known, and never full. */
    capacitySlots: Type.Optional(Type.Record(Name, Type.Integer({ minimum: 0 }))),
    /** What each cluster has proved of its instances; absent: nothing. */
    isolationLevels: Type.Optional(Type.Record(Name, IsolationLevel)),
    /** What enters the federation near each zone, in calls in flight, of functions that may run anywhere. */
    demand: Type.Optional(Type.Record(Name, TierDemand)),
    /** The same of functions with another placement. */
    classDemand: Type.Optional(Type.Array(ClassDemand, { maxItems: DEMAND_CLASSES_MAX })),
    /** Clusters that returned after an unplanned loss and wait for an operator, for functions whose failback is manual. */
    awaitsFailback: Type.Optional(Type.Array(Name)),
  },
  extensible,
);
export type PlanInputRecord = Static<typeof PlanInputRecord>;

/** An operator's word on a cluster; without a record it is in service. */
export const ClusterRecord = Type.Object(
  {
    clusterId: Name,
    /** `draining`: no new calls. `quarantined`: no calls, and nothing it runs is trusted or deleted. */
    mode: Type.Union([
      Type.Literal("in-service"),
      Type.Literal("draining"),
      Type.Literal("quarantined"),
    ]),
    reason: Type.String({ maxLength: 512 }),
    changedBy: Type.String(),
    changedAtMs: Type.Integer(),
  },
  extensible,
);
export type ClusterRecord = Static<typeof ClusterRecord>;

/** Moves a share of a cluster's calls elsewhere for a while; hangs on a lease of the catalog, which ends it. */
export const ShiftRecord = Type.Object(
  {
    id: Type.String({ pattern: "^sh-[0-9a-z]{8,32}$" }),
    fromCluster: Name,
    /** Null: to wherever the plan would send them without that cluster. */
    toCluster: Type.Union([Name, Type.Null()]),
    percent: Type.Integer({ minimum: 1, maximum: 100 }),
    reason: Type.String({ maxLength: 512 }),
    createdBy: Type.String(),
    createdAtMs: Type.Integer(),
    /** For people; the lease decides. */
    expiresAtMs: Type.Integer(),
  },
  extensible,
);
export type ShiftRecord = Static<typeof ShiftRecord>;
