import { Type, type Static } from "typebox";
import { ChangeRecord } from "./catalog-records.ts";
import { ClusterRecord, ShiftRecord } from "./control-records.ts";
import { extensible } from "./extensible.ts";
import { IsolationLevel, IsolationReport } from "./isolation.ts";
import { Name, VersionNumber } from "./names.ts";
import { ZoneShares } from "./operator-api.ts";
import { Position } from "./route-table.ts";
import { CodeTroubleReport, FailingStart } from "./zone-report.ts";

/* What the management API tells of clusters, zones, changes and routes; what federators also tell each other keeps unknown fields. */
const closed = { additionalProperties: false } as const;

export const ClusterView = Type.Object(
  {
    clusterId: Name,
    zone: Name,
    state: Type.Union([Type.Literal("up"), Type.Literal("down"), Type.Literal("unseen")]),
    weightPercent: Type.Integer(),
    evidence: Type.Array(Name),
    decidedAtMs: Type.Union([Type.Integer(), Type.Null()]),
    /**
     * How the federator that answers sees it itself. `suspect`: late with its answers, and still in service; `behind`: it answers
     * again and stays out, as its agent does not know yet what was decided while it was away.
     */
    sight: Type.Optional(Type.Enum(["up", "suspect", "behind", "down", "unknown"])),
    /** An operator's word; absent: in service. */
    mode: Type.Optional(ClusterRecord.properties.mode),
    modeReason: Type.Optional(Type.String()),
    /** It was lost and returned: functions whose failback is manual stay away until an operator releases it. */
    awaitsRelease: Type.Optional(Type.Boolean()),
    /** Calls it can serve at the same time, as its agent says. */
    capacitySlots: Type.Optional(Type.Integer()),
    /** What it has proved of its instances; absent: nothing. */
    isolationLevel: Type.Optional(IsolationLevel),
  },
  extensible,
);
export type ClusterView = Static<typeof ClusterView>;

/** A change of the route table that is held back until one receiver has proved it. */
export const WaveView = Type.Object(
  {
    revision: Type.Integer(),
    state: Type.Union([
      Type.Literal("waiting for an earlier zone"),
      Type.Literal("proving"),
      Type.Literal("refused"),
    ]),
    /** Who proves it, or who turned it down. */
    receiver: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String()),
  },
  extensible,
);
export type WaveView = Static<typeof WaveView>;

export const ZoneStatus = Type.Object(
  {
    zone: Name,
    region: Name,
    clusterId: Name,
    /** Whether this zone's federator answered the fan-out. */
    isReachable: Type.Boolean(),
    cluster: Type.Union([ClusterView, Type.Null()]),
    position: Type.Union([Position, Type.Null()]),
    /** Digests of the table whose code the zone's cluster does not hold yet; a hundred stands for a hundred or more. */
    codeMissing: Type.Optional(Type.Integer({ minimum: 0 })),
    /** What of that could not be put in place, and why; told to operators alone. Absent: nothing. */
    codeTroubles: Type.Optional(Type.Array(CodeTroubleReport)),
    /** What its agent said last; told to operators alone. Absent: not proved yet. */
    isolation: Type.Optional(IsolationReport),
    /** Versions that the zone's cluster runs and its table does not know: neither called nor ended for it. */
    quarantined: Type.Optional(Type.Integer({ minimum: 0 })),
    /** How long ago the zone's replica last heard from the catalog. */
    replicaAgeMs: Type.Union([Type.Number(), Type.Null()]),
    /** What an operator should look at with `meridian catalog status`; absent where there is nothing. */
    replicaTroubles: Type.Optional(
      Type.Object(
        {
          strandedRecords: Type.Integer({ minimum: 0 }),
          heldBackFunctions: Type.Integer({ minimum: 0 }),
          /** The code under which the catalog that is there is not followed. */
          catalogRefused: Type.Union([Type.String(), Type.Null()]),
          /** Since the federator started. */
          repairedRecords: Type.Integer({ minimum: 0 }),
        },
        extensible,
      ),
    ),
    receivers: Type.Array(
      Type.Object(
        {
          receiver: Type.String(),
          position: Type.Union([Position, Type.Null()]),
          refused: Type.Union([Type.String(), Type.Null()]),
        },
        extensible,
      ),
    ),
    /** Absent while every table goes to all receivers at once. */
    wave: Type.Optional(WaveView),
    instances: Type.Array(
      Type.Object(
        {
          tenant: Name,
          functionName: Name,
          version: VersionNumber,
          starting: Type.Integer(),
          idle: Type.Integer(),
          busy: Type.Integer(),
          queued: Type.Integer(),
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
export type ZoneStatus = Static<typeof ZoneStatus>;

export const FederationStatus = Type.Object(
  {
    leader: Type.Union([Name, Type.Null()]),
    /** Why there can be no verdict, where there cannot: fewer than three zones have no witness. */
    witness: Type.Union([Type.Literal("present"), Type.Literal("none")]),
    catalog: Type.Union([Type.Literal("reachable"), Type.Literal("unreachable")]),
    zones: Type.Array(ZoneStatus),
    silentZones: Type.Array(Name),
    /** As the plan of the answering zone's position has them. */
    shares: Type.Optional(Type.Array(ZoneShares)),
    /** What operators move elsewhere now; told to operators alone. */
    shifts: Type.Optional(Type.Array(ShiftRecord)),
  },
  extensible,
);
export type FederationStatus = Static<typeof FederationStatus>;

/** What each cluster has proved of its instances, and how. */
export const FederationIsolation = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        {
          clusterId: Name,
          zone: Name,
          /** Null: not proved yet, or its zone did not answer. */
          report: Type.Union([IsolationReport, Type.Null()]),
        },
        extensible,
      ),
    ),
    silentZones: Type.Array(Name),
  },
  extensible,
);
export type FederationIsolation = Static<typeof FederationIsolation>;

/** An entry of the zone's hash chain: `hash` covers the entry and the hash before it. */
export const AuditEntry = Type.Object(
  {
    /** Whose chain it stands in: changes come from the chain of the zone that answers, refused attempts from all. */
    zone: Name,
    sequence: Type.Integer(),
    /** Null for refused attempts, which never reached the catalog. */
    revision: Type.Union([Type.Integer(), Type.Null()]),
    outcome: Type.Union([Type.Literal("done"), Type.Literal("refused")]),
    change: ChangeRecord,
    previousHash: Type.String(),
    hash: Type.String(),
  },
  closed,
);
export type AuditEntry = Static<typeof AuditEntry>;

/** Why a call from there would go where it goes; made by the code that decides. */
export const RouteExplanation = Type.Object(
  {
    tenant: Name,
    function: Name,
    alias: Name,
    version: VersionNumber,
    /** Where more than one version stands behind the alias: the share of each among the calls that enter here. */
    split: Type.Optional(
      Type.Array(
        Type.Object(
          {
            version: VersionNumber,
            percent: Type.Integer({ minimum: 0, maximum: 100 }),
            rolloutId: Type.Optional(Type.String()),
          },
          closed,
        ),
      ),
    ),
    origin: Type.Object(
      {
        /** What decided where the caller is. */
        source: Type.Union([
          Type.Literal("explicit"),
          Type.Literal("affinity"),
          Type.Literal("tenant-home"),
          Type.Literal("edge-header"),
          Type.Literal("address"),
          Type.Literal("round-trip"),
          Type.Literal("gateway-zone"),
        ]),
        value: Type.String(),
        latitudeDegrees: Type.Number(),
        longitudeDegrees: Type.Number(),
      },
      closed,
    ),
    candidates: Type.Array(
      Type.Object(
        {
          clusterId: Name,
          zone: Name,
          distanceKilometres: Type.Number(),
          /** `chosen`, `standby` (in order of preference), or the reason it is not a candidate. */
          decision: Type.Union([
            Type.Literal("chosen"),
            Type.Literal("standby"),
            Type.Literal("refused"),
          ]),
          reason: Type.String(),
        },
        closed,
      ),
    ),
    chosen: Type.Union([Name, Type.Null()]),
    /** What answers instead: the function's circuit is open on every cluster that such calls may go to. */
    fallback: Type.Optional(Type.Union([Type.Literal("version"), Type.Literal("answer")])),
    /** Of such calls, the share that the plan has no room for; left out where there is none. */
    shedPercent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
    position: Position,
    tableAgeMs: Type.Number(),
  },
  closed,
);
export type RouteExplanation = Static<typeof RouteExplanation>;
