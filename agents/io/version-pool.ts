import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import { chooseInstance } from "../core/choose-instance.ts";
import { afterInitFailure, answerAtOnce, type CrashLoop, noCrashLoop } from "../core/crash-loop.ts";
import { decideScale, type IdleLimits } from "../core/decide-scale.ts";
import { type InstanceEvent, isSpent, stepInstance } from "../core/instance-lifecycle.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import { alarm } from "./alarm.ts";
import { type CallOutcome, type PoolCall, refused } from "./call-outcome.ts";
import { type PoolInstance, type PoolStart, startPoolInstance } from "./pool-instance.ts";
import type { PoolPorts, PoolVersion } from "./pool-ports.ts";
import { runOnInstance } from "./run-call.ts";
import { waitingCalls } from "./waiting-calls.ts";

/** After a call ran out of time, its instance gets this long for its last words. */
const KILL_GRACE_MS = 100;
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
  readonly instances: () => readonly PoolInstance[];
  /** Takes the instance out of service: it ends with its last call. */
  readonly retire: (instance: PoolInstance) => void;
  /** The version is gone: what runs may finish, what waits is refused. */
  readonly retireAll: () => void;
  /** Nothing is here and nothing needs to be remembered. */
  readonly isAtRest: () => boolean;
}

/** The instances of one version, the calls that wait for them, and how many of them there should be. */
export function versionPool(
  of: PoolVersion,
  ports: PoolPorts,
  limits: PoolLimits,
  share: ClusterShare,
): VersionPool {
  const { clock } = ports;
  const { tenant } = of;
  const { concurrency } = of.version.manifest;
  const waiting = waitingCalls(limits.queueLengthMax, clock);
  const instances = new Set<PoolInstance>();
  let crashLoop: CrashLoop = noCrashLoop;

  const step = (instance: PoolInstance, event: InstanceEvent): void => {
    instance.usedAtMs = clock.nowMs();
    instance.state = stepInstance(instance.state, event, instance.usedAtMs, concurrency);
  };
  const retire = (instance: PoolInstance): void => {
    step(instance, "retired");
    if (isSpent(instance.state)) instance.kill();
  };

  const run = (call: PoolCall): Promise<CallOutcome> => {
    const knownError = answerAtOnce(crashLoop, clock.nowMs());
    if (knownError !== undefined) return Promise.resolve(initFailure(knownError));
    const isNext = waiting.length() === 0 && share.mayRun(tenant);
    const free = isNext ? chooseInstance(instances, concurrency) : undefined;
    if (free !== undefined) return dispatch(free, call, undefined);
    const outcome = waiting.wait(call);
    share.changed(pool);
    return outcome;
  };

  const dispatch = async (
    instance: PoolInstance,
    call: PoolCall,
    waitedMs: number | undefined,
  ): Promise<CallOutcome> => {
    const coldStart = waitedMs === undefined ? undefined : instance.takeColdStart(waitedMs);
    if (coldStart !== undefined) ports.metrics.coldStart(coldStart);
    step(instance, "call-started");
    share.callStarted(tenant);
    const { outcome, isAbandoned } = await runOnInstance(instance, of, call, clock, coldStart);
    if (isAbandoned) step(instance, "retired");
    step(instance, "call-ended");
    share.callEnded(tenant);
    if (isSpent(instance.state)) setTimeout(instance.kill, isAbandoned ? KILL_GRACE_MS : 0).unref();
    share.changed(pool);
    return outcome;
  };

  const assignWaiting = (): void => {
    while (waiting.length() > 0 && share.mayRun(tenant)) {
      const free = chooseInstance(instances, concurrency);
      const next = free === undefined ? undefined : waiting.takeNext();
      if (free === undefined || next === undefined) return;
      void dispatch(free, next.call, clock.nowMs() - next.joinedAtMs).then(next.settle);
    }
  };

  const review = (): void => {
    assignWaiting();
    const nowMs = clock.nowMs();
    const isBackingOff = nowMs < crashLoop.startAtMs;
    const demand = {
      waiting: waiting.length(),
      concurrency,
      instances: [...instances],
      room: isBackingOff ? 0 : share.room(tenant),
    };
    const decision = decideScale(demand, limits, nowMs);
    for (const instance of decision.retire) retire(instance);
    for (let count = 0; count < decision.start; count += 1) void start();
    if (decision.checkAtMs !== undefined) nextReview.setFor(decision.checkAtMs);
    if (isBackingOff && waiting.length() > 0) nextReview.setFor(crashLoop.startAtMs);
  };
  const nextReview = alarm(clock, review);

  const start = async (): Promise<void> => {
    const instance = startPoolInstance(of, ports, limits.initTimeoutMs);
    instances.add(instance);
    const outcome = await instance.started;
    const wasWanted = instance.state.kind === "starting";
    step(instance, outcome.kind === "ready" ? "ready" : "retired");
    if (outcome.kind === "ready") crashLoop = noCrashLoop;
    else if (outcome.kind === "init-failed")
      crashLoop = afterInitFailure(crashLoop, outcome.error, clock.nowMs());
    if (wasWanted && outcome.kind !== "ready") answerFailedStart(outcome);
    share.changed(pool);
    await instance.ended;
    step(instance, "exited");
    instances.delete(instance);
    share.changed(pool);
  };

  /** Each failed start answers the call that has waited longest; one that would fail for all of them answers all. */
  const answerFailedStart = (outcome: FailedStart): void => {
    const answer = failedStart(outcome);
    const concernsAll =
      outcome.kind === "no-code" || answerAtOnce(crashLoop, clock.nowMs()) !== undefined;
    const calls = concernsAll ? waiting.takeAll() : [waiting.takeNext()];
    for (const call of calls) call?.settle(answer);
  };

  const pool: VersionPool = {
    of,
    run,
    review,
    retire,
    load: () => ({
      tenant,
      functionName: of.functionName,
      version: of.version.version,
      queued: waiting.length(),
      instances: [...instances],
    }),
    instances: () => [...instances],
    retireAll: () => {
      nextReview.cancel();
      for (const call of waiting.takeAll()) call.settle(refused(removed(of)));
      for (const instance of instances) retire(instance);
    },
    isAtRest: () =>
      instances.size + waiting.length() === 0 &&
      clock.nowMs() > crashLoop.startAtMs + CRASH_LOOP_KEPT_MS,
  };
  return pool;
}

type FailedStart = Exclude<PoolStart, { kind: "ready" }>;

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
