import type { VerdictRecord } from "#lib/contracts/control-records.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { type Evidence, isSeenUp, judgeDowns } from "./weigh-evidence.ts";

/** What the federation knows of a cluster when it decides. */
export interface ClusterCase {
  readonly clusterId: string;
  /** Undefined for a cluster that no zone ever reached. */
  readonly record: VerdictRecord | undefined;
  /** The revision that wrote the record; 0 when there is none. */
  readonly recordRevision: number;
  /** For how long this observer has known the record. */
  readonly knownForMs: number;
  readonly evidence: Evidence;
  /** Since when two zones have held it to be up without a break, under this record; undefined when they do not. */
  readonly goodSinceMs: number | undefined;
  /** For how long this observer itself has held it to be up, or had before it went down. */
  readonly upForMs: number;
  /** The revision that wrote the present session of its zone; 0 when there is none. */
  readonly sessionRevision: number;
  /** Names the process that holds it, also where it lost it for a while. */
  readonly sessionId: string | undefined;
  /** Whether that process itself says that the cluster answers: what others saw may be of the one before. */
  readonly answersItsOwn: boolean;
  /** Whether its agent knows what was decided while it was away. */
  readonly rejoin: "current" | "behind" | "unreported";
  /** An operator lets it take no calls, whatever the verdict. */
  readonly isQuarantined: boolean;
}

/** What whoever decides knows beside the clusters. */
export interface Surroundings {
  /** The revisions that wrote the session of each federator that is alive. */
  readonly sessionRevisions: readonly number[];
  /** The other zones were heard, or there was time for it: only then does silence say that somebody is not there. */
  readonly hasHeardAll: boolean;
}

/** A drain ends after 35 s at the latest. */
const PLANNED_STOP_MAX_MS = 60_000;
const UNREPORTED_HOLDS = 3;

export interface VerdictLimits {
  /** False with fewer than three zones, or where failover is switched off: nothing is ever taken out. */
  readonly canTakeOut: boolean;
  readonly hasWitness: boolean;
  readonly upHoldMs: number;
  readonly upHoldMaxMs: number;
  /** A cluster that stayed up this long before it went down starts anew with its flaps. */
  readonly flapMemoryMs: number;
  /** Under a newer verdict nothing is put down: some of what was heard may be from before it. */
  readonly evidenceMaxAgeMs: number;
}

export type VerdictDecision =
  | {
      readonly kind: "down";
      readonly clusterId: string;
      readonly cause: "planned" | "unplanned";
      readonly flaps: number;
      /** Another one in service, as it was known: if it has left by then, this one may be the last, and must stay. */
      readonly stays: Pick<ClusterCase, "clusterId" | "recordRevision">;
    }
  | {
      readonly kind: "up";
      readonly clusterId: string;
      readonly cause: VerdictRecord["cause"];
      readonly flaps: number;
      /** Whether it takes its share step by step. */
      readonly isRamped: boolean;
      /** Whether only the leader may write it. */
      readonly needsLeader: boolean;
    };

/** The changes of verdict that are due. */
export function judgeVerdicts(
  cases: readonly ClusterCase[],
  surroundings: Surroundings,
  nowMs: number,
  limits: VerdictLimits,
): readonly VerdictDecision[] {
  const evidence = new Map(cases.map((one) => [one.clusterId, one.evidence]));
  const inService = cases.filter(({ record }) => record?.state === "up");
  const accused = limits.canTakeOut
    ? judgeDowns(
        evidence,
        inService.map(({ clusterId }) => clusterId),
      )
    : [];
  const stays = inService.find(({ clusterId }) => !accused.includes(clusterId));
  const downs = inService
    .filter(({ clusterId }) => accused.includes(clusterId))
    .filter(({ knownForMs }) => knownForMs >= limits.evidenceMaxAgeMs)
    .map((one) => {
      const flaps = one.upForMs >= limits.flapMemoryMs ? 1 : (one.record?.flaps ?? 0) + 1;
      return stays && takeOut(one.clusterId, "unplanned", flaps, stays);
    })
    .filter((decision) => decision !== undefined);
  const isNobodyLeft = surroundings.hasHeardAll && !inService.some(canServe);
  const ups = cases
    .map((one) => judgeReturn(one, surroundings, nowMs, limits, isNobodyLeft))
    .filter((decision) => decision !== undefined);
  return [...downs, ...ups];
}

/**
 * The word of whoever stops a cluster on purpose: it leaves before its programs stop, and no flap is counted. Undefined for one
 * that is out of service already, and for the last one in service.
 */
export function judgePlannedDown(
  clusterId: string,
  cases: readonly ClusterCase[],
): VerdictDecision | undefined {
  const inService = cases.filter(({ record }) => record?.state === "up");
  const its = inService.find((one) => one.clusterId === clusterId);
  const stays = inService.find((one) => one.clusterId !== clusterId);
  if (its === undefined || stays === undefined) return undefined;
  return takeOut(clusterId, "planned", its.record?.flaps ?? 0, stays);
}

const takeOut = (
  clusterId: string,
  cause: "planned" | "unplanned",
  flaps: number,
  { clusterId: other, recordRevision }: ClusterCase,
): VerdictDecision => ({
  kind: "down",
  clusterId,
  cause,
  flaps,
  stays: { clusterId: other, recordRevision },
});

/** Whether the agent has a table that knows of the verdict; positions of another incarnation tell nothing. */
export function judgeRejoin(
  agentAccepted: Position | undefined,
  verdictAt: Position,
): ClusterCase["rejoin"] {
  if (agentAccepted?.incarnation !== verdictAt.incarnation) return "unreported";
  return agentAccepted.revision >= verdictAt.revision ? "current" : "behind";
}

/** It was taken out, and stays so whatever it answers: its agent does not know yet what was decided while it was away. */
export const isBehind = ({ record, rejoin }: Pick<ClusterCase, "record" | "rejoin">): boolean =>
  record?.state === "down" && rejoin === "behind";

const canServe = ({ evidence, isQuarantined }: ClusterCase): boolean =>
  isSeenUp(evidence) && !isQuarantined;

function judgeReturn(
  one: ClusterCase,
  { sessionRevisions, hasHeardAll }: Surroundings,
  nowMs: number,
  limits: VerdictLimits,
  isNobodyLeft: boolean,
): VerdictDecision | undefined {
  const { clusterId, record, evidence } = one;
  if (record?.state === "up" || evidence.upZones.length === 0) return undefined;
  const up = { kind: "up", clusterId } as const;
  if (record === undefined)
    return { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: false };
  if (isFromEarlierRun(one.recordRevision, sessionRevisions))
    return { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: true };
  if (record.cause === "planned")
    return (hasHeardAll && isBackAsPlanned(one)) || isPlanForgotten(one, nowMs)
      ? { ...up, cause: "planned", flaps: record.flaps, isRamped: false, needsLeader: true }
      : undefined;
  if (!limits.hasWitness)
    return { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: true };
  const dueAfterMs =
    isNobodyLeft && canServe(one)
      ? neededHoldMs(one, limits)
      : fullHoldMs(one, record.flaps, limits);
  if (!hasHeld(one, dueAfterMs, nowMs)) return undefined;
  return { ...up, cause: "unplanned", flaps: record.flaps, isRamped: true, needsLeader: true };
}

/**
 * A zone that was stopped answers for as long as it drains: it is back when another federator than the one that was to stop has
 * a session there and says that its agent answers, and when the others, who would take it out again, have seen it too.
 */
const isBackAsPlanned = ({
  record,
  recordRevision,
  sessionRevision,
  sessionId,
  answersItsOwn,
  evidence,
}: ClusterCase): boolean =>
  sessionRevision > recordRevision &&
  (sessionId === undefined || sessionId !== record?.stoppedSession) &&
  answersItsOwn &&
  evidence.upZones.length > evidence.downZones.length;

/** One that never stopped, because who was to stop it died, is back when it has looked good for longer than a drain can take. */
const isPlanForgotten = ({ evidence, goodSinceMs }: ClusterCase, nowMs: number): boolean =>
  isSeenUp(evidence) && goodSinceMs !== undefined && nowMs - goodSinceMs >= PLANNED_STOP_MAX_MS;

/** Good for so long, and aware of what was deleted or narrowed while it was away. */
const hasHeld = (
  { evidence, goodSinceMs, rejoin }: ClusterCase,
  dueAfterMs: number,
  nowMs: number,
): boolean =>
  rejoin !== "behind" &&
  isSeenUp(evidence) &&
  goodSinceMs !== undefined &&
  nowMs - goodSinceMs >= dueAfterMs;

/** Where its zone does not say what its agent knows, three times the hold must do. */
const fullHoldMs = ({ rejoin }: ClusterCase, flaps: number, limits: VerdictLimits): number =>
  (rejoin === "current" ? 1 : UNREPORTED_HOLDS) * holdMs(flaps, limits);

/** With nobody left who serves, the hold has nobody to protect: past flaps count no more, and a current agent waits for nothing. */
const neededHoldMs = ({ rejoin }: ClusterCase, { upHoldMs }: VerdictLimits): number =>
  rejoin === "current" ? 0 : UNREPORTED_HOLDS * upHoldMs;

/**
 * A verdict older than the session of every living federator was left by an earlier run of the whole federation: nobody who
 * saw the cluster fail is left, and nothing was served in between, so its return needs no hold. A federator that restarts
 * alone does not make it so, because the sessions of the others are older than the verdict they carried; and the session of
 * one that died counts until the catalog has expired it.
 */
function isFromEarlierRun(recordRevision: number, sessionRevisions: readonly number[]): boolean {
  return (
    sessionRevisions.length > 0 &&
    sessionRevisions.every((sessionRevision) => sessionRevision > recordRevision)
  );
}

/** How long a cluster must look good before it returns: twice as long after each flap. */
export function holdMs(
  flaps: number,
  { upHoldMs, upHoldMaxMs }: Pick<VerdictLimits, "upHoldMs" | "upHoldMaxMs">,
): number {
  return Math.min(upHoldMaxMs, upHoldMs * 2 ** Math.max(0, flaps - 1));
}
