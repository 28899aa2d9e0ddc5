import type { KeyRoute, RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { Origin } from "./core/locate-caller.ts";
import type { RolloutMark } from "./core/choose-version.ts";
import type { Door, FunctionDoor } from "./core/match-route.ts";
import type { AttemptNote, StageMarks } from "./core/stage-times.ts";
import type { TraceContext } from "./core/trace-context.ts";
import type { TenantLimitValues } from "./core/tenant-limits.ts";
import type { Arrival, StreamedBody } from "./ports.ts";

/*
 * A call as it becomes known, stage by stage. Each stage hands on one of these types, so that a stage in the wrong place does
 * not compile.
 */

/** What is known of a call at its end, for the answer's headers, the log and the metrics. Stages fill it in as they go. */
export interface Receipt {
  tenant: string | undefined;
  functionName: string | undefined;
  version: number | undefined;
  zone: string | undefined;
  clusterId: string | undefined;
  attempts: number;
  isColdStart: boolean;
  /** Why it was refused: by the tenant's limits, because the plan has no room for it, or no cluster that it may use. */
  limitedBy: "rate" | "concurrency" | "plan" | "cluster" | undefined;
  /** What answered in place of the version that failed everywhere. */
  fallback: "version" | "answer" | undefined;
  /** Attempts in the order in which they began. */
  readonly attemptNotes: AttemptNote[];
  readonly marks: StageMarks;
  /** Of the table that decided on it. */
  tableRevision: number | undefined;
  /** Strangers who call a public function are not told what the platform knows of its clusters. */
  isCallerKnown: boolean;
}

export interface IdentifiedCall {
  readonly arrival: Arrival;
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly path: string;
  readonly rawQuery: string;
  readonly door: Door;
  readonly receipt: Receipt;
}

/**
 * With the table that decides on it from here on. Key, function, version and limits are read before anything is awaited, so that
 * they are of one table; clusters are read when one is chosen, and are the newest then.
 */
export interface RoutedCall extends IdentifiedCall {
  readonly table: RouteTable;
}

export interface FunctionCall extends RoutedCall {
  readonly door: FunctionDoor;
}

export interface AuthenticatedCall extends FunctionCall {
  /** Null where the function is open to everyone. */
  readonly key: KeyRoute | null;
}

export interface MatchedCall extends AuthenticatedCall {
  readonly version: RouteVersion;
  /** What a rollout counts it as, if it does. */
  readonly mark: RolloutMark | undefined;
  readonly limits: TenantLimitValues;
}

export interface PermittedCall extends MatchedCall {
  /** Zones its placement permits and whose clusters isolate it as it asks: at least one, and all that later stages can choose from. */
  readonly zones: readonly Zone[];
}

export interface AdmittedCall extends PermittedCall {
  readonly body: Uint8Array | StreamedBody;
  readonly deadlineAtMs: number;
  /** Which time limit the deadline is, in words. */
  readonly deadlineIs: string;
}

export interface LocatedCall extends AdmittedCall {
  readonly origin: Origin;
  /** The name of the zone that is nearest to it. */
  readonly originZone: string;
  /** The caller's address as far as it can be believed. */
  readonly clientIp: string;
  /** Of its own connection, to us or to a proxy that is believed. */
  readonly clientScheme: "http" | "https";
  /** Its throw of the dice, from its affinity token. */
  readonly affinityDraw?: number;
}
