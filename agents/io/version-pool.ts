import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import { answerAtOnce } from "../core/crash-loop.ts";
import { decideScale, type IdleLimits } from "../core/decide-scale.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import { alarm } from "./alarm.ts";
import { type CallOutcome, type PoolCall, refused } from "./call-outcome.ts";
import { type FailedStart, instanceFleet } from "./instance-fleet.ts";
import type { PoolInstance } from "./pool-instance.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { PoolPorts } from "./pool-ports.ts";
import { runOnInstance, type RunResult } from "./run-call.ts";
import { waitingCalls } from "./waiting-calls.ts";

/** What a crash loop has taught is kept this long after its last back-off. */
const CRASH_LOOP_KEPT_MS = 60_000;

export interface PoolLimits extends IdleLimits {
  readonly queueLengthMax: number;
  readonly initTimeoutMs: number;
}

/** What all versions of a cluster share; a pool asks before it takes. */
export interface ClusterShare {
  /** Instances that may be started now for the tenant. */
  readonly room: (tenant: string) => number;
  readonly mayRun: (tenant: string) => boolean;
  readonly callStarted: (tenant: string) => void;
  readonly callEnded: (tenant: string) => void;
  /** The pool's demand or supply changed; `review` is called soon. */
  readonly changed: (pool: VersionPool) => void;
}

export interface VersionPool {
  readonly of: PoolVersion;
  readonly run: (call: PoolCall) => Promise<CallOutcome>;
  /** Hands waiting calls to free instances, starts and ends instances as `decideScale` says. */
  readonly review: () => void;
  readonly load: () => VersionLoad;
  readonly queued: () => number;
  readonly instances: () => readonly PoolInstance[];
  readonly retire: (instance: PoolInstance) => void;
  /** Nobody knows the version now: what waits is refused, and what is here stays until the idle limits end it. */
  readonly refuseWaiting: () => void;
  /** The version is gone: what runs may finish, what waits is refused. */
  readonly retireAll: () => void;
  /** Nothing is here and nothing needs to be remembered. */
  readonly isAtRest: () => boolean;
}

/** Calls of one version: to a free instance at once, else in a queue for the instances that are started for them. */
export function versionPool(
  of: PoolVersion,
  ports: PoolPorts,
  limits: PoolLimits,
  share: ClusterShare,
): VersionPool {
  const { clock } = ports;
  const { tenant } = of;
  const waiting = waitingCalls(limits.queueLengthMax, clock);
  const fleet = instanceFleet(of, ports, limits.initTimeoutMs, {
    onChanged: () => share.changed(pool),
    onFailedStart: (outcome) => {
      // Each failed start answers the call that has waited longest; one that would fail for all of them answers all.
      const concernsAll = outcome.kind === "no-code" || lastInitError() !== undefined;
      const calls = concernsAll ? waiting.takeAll() : [waiting.takeNext()];
      for (const call of calls) call?.settle(failedStart(outcome));
    },
  });
  const lastInitError = () => answerAtOnce(fleet.crashLoop(), clock.nowMs());

  const dispatch = async (
    instance: PoolInstance,
    call: PoolCall,
    waitedMs: number | undefined,
  ): Promise<CallOutcome> => {
    fleet.callStarted(instance);
    share.callStarted(tenant);
    const { outcome, isAbandoned } = await runWithLeave(instance, call, waitedMs);
    share.callEnded(tenant);
    fleet.callEnded(instance, isAbandoned);
    return outcome;
  };

  const runWithLeave = async (
    instance: PoolInstance,
    call: PoolCall,
    waitedMs: number | undefined,
  ): Promise<RunResult> => {
    const leave = call.leave.ask(waitedMs !== undefined);
    if (leave !== true && !(await leave))
      return { outcome: refused(withdrawn()), isAbandoned: false };
    const coldStart = waitedMs === undefined ? undefined : instance.takeColdStart(waitedMs);
    if (coldStart !== undefined) ports.metrics.coldStart(coldStart);
    const beganAtMs = clock.nowMs();
    const result = await runOnInstance(instance, of, call, clock, coldStart);
    const timing = { queueMs: waitedMs ?? 0, runMs: clock.nowMs() - beganAtMs };
    return { ...result, outcome: { ...result.outcome, timing } };
  };

  const assignWaiting = (): void => {
    while (waiting.length() > 0 && share.mayRun(tenant)) {
      const free = fleet.free();
      const next = free === undefined ? undefined : waiting.takeNext();
      if (free === undefined || next === undefined) return;
      void dispatch(free, next.call, clock.nowMs() - next.joinedAtMs).then(next.settle);
    }
  };

  const review = (): void => {
    assignWaiting();
    const nowMs = clock.nowMs();
    const { startAtMs } = fleet.crashLoop();
    const isBackingOff = nowMs < startAtMs;
    const demand = {
      waiting: waiting.length(),
      concurrency: of.version.manifest.concurrency,
      instances: fleet.all(),
      room: isBackingOff || waiting.length() === 0 ? 0 : share.room(tenant),
    };
    const decision = decideScale(demand, limits, nowMs);
    for (const instance of decision.retire) fleet.retire(instance);
    for (let count = 0; count < decision.start; count += 1) fleet.start();
    if (decision.checkAtMs !== undefined) nextReview.setFor(decision.checkAtMs);
    if (isBackingOff && waiting.length() > 0) nextReview.setFor(startAtMs);
  };
  const nextReview = alarm(clock, review);
  const refuseWaiting = (): void => {
    for (const call of waiting.takeAll()) call.settle(refused(removed(of)));
  };

  const pool: VersionPool = {
    of,
    run: (call) => {
      const knownError = lastInitError();
      if (knownError !== undefined) return Promise.resolve(initFailure(knownError));
      const isNext = waiting.length() === 0 && share.mayRun(tenant);
      const free = isNext ? fleet.free() : undefined;
      if (free !== undefined) return dispatch(free, call, undefined);
      call.leave.waits();
      const outcome = waiting.wait(call);
      share.changed(pool);
      return outcome;
    },
    review,
    retire: fleet.retire,
    load: () => ({
      tenant,
      functionName: of.functionName,
      version: of.version.version,
      concurrency: of.version.manifest.concurrency,
      queued: waiting.length(),
      instances: fleet.all(),
    }),
    queued: waiting.length,
    instances: fleet.all,
    refuseWaiting,
    retireAll: () => {
      nextReview.cancel();
      refuseWaiting();
      for (const instance of fleet.all()) fleet.retire(instance);
    },
    isAtRest: () =>
      fleet.all().length + waiting.length() === 0 &&
      clock.nowMs() > fleet.crashLoop().startAtMs + CRASH_LOOP_KEPT_MS,
  };
  return pool;
}

function failedStart(outcome: FailedStart): CallOutcome {
  switch (outcome.kind) {
    case "init-failed":
      return initFailure(outcome.error);
    case "not-started":
      return refused(
        new MeridianError(
          "MERIDIAN_OVERLOADED",
          `This cluster could not start an instance: ${outcome.reason}. Try again in a moment.`,
        ),
      );
    case "no-code":
      return refused(outcome.error);
  }
}

const initFailure = (error: ErrorPayload): CallOutcome => ({
  kind: "function-error",
  errorKind: "Unhandled",
  error,
  coldStart: undefined,
});

const removed = ({ tenant, functionName, version }: PoolVersion): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `Version ${version.version} of ${tenant}/${functionName} was removed while the call waited.`,
  );

const withdrawn = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "The gateway did not say in time that the call may start, so it was not started. Try again.",
  );
