import { answerAtOnce, describeCrashLoop } from "../core/crash-loop.ts";
import { decideScale, evictableInstances, initialScaleState } from "../core/decide-scale.ts";
import type { ScaleState } from "../core/scaling/scale-state.ts";
import { hasFloor, type IdleLimits, scalingSpec } from "../core/scaling/scaling-spec.ts";
import { afterFailedStart, mayTryAgain, noStartTrouble } from "../core/start-trouble.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import { alarm } from "./alarm.ts";
import type { LeftCall } from "../drivers/driver.ts";
import { type CallOutcome, type PoolCall, refused } from "./call-outcome.ts";
import { startsAtOnce } from "./exchange.ts";
import { instanceFleet } from "./instance-fleet.ts";
import type { PoolInstance } from "./pool-instance.ts";
import { failedStart, initFailure, removed, withdrawn } from "./pool-refusals.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { PoolPorts } from "./pool-ports.ts";
import { endOfStream, runOnInstance, type RunResult } from "./run-call.ts";
import { waitingCalls } from "./waiting-calls.ts";

/** What a crash loop has taught is kept this long after its last back-off. */
const CRASH_LOOP_KEPT_MS = 60_000;
/** After a failed start, an instance that no call waits for is tried again this much later. */
const SPARE_RETRY_MS = 1_000;

export interface PoolLimits extends IdleLimits {
  readonly queueLengthMax: number;
  readonly initTimeoutMs: number;
}

/** What all versions of a cluster share; a pool asks before it takes. */
export interface ClusterShare {
  /** Instances that may be started now for the tenant. */
  readonly room: (tenant: string) => number;
  /** The same for instances that no call waits for: nothing while calls of any version wait for room. */
  readonly spareRoom: (tenant: string) => number;
  readonly mayRun: (tenant: string) => boolean;
  readonly callStarted: (tenant: string) => void;
  readonly callEnded: (tenant: string) => void;
  /** The pool's demand or supply changed; `review` is called soon. */
  readonly changed: (pool: VersionPool) => void;
}

export interface VersionPool {
  readonly of: PoolVersion;
  readonly run: (call: PoolCall) => Promise<CallOutcome>;
  /** An instance that takes calls, with those that an agent before this one gave it: they take their slots to their end. */
  readonly adopt: (instance: PoolInstance, leftCalls: readonly LeftCall[]) => void;
  /** Hands waiting calls to free instances, starts and ends instances as `decideScale` says. */
  readonly review: () => void;
  readonly load: () => VersionLoad;
  readonly queued: () => number;
  /** How long the oldest of its waiting calls has waited; 0 where none does. */
  readonly waitedMs: () => number;
  /** Instances that waiting calls would be given if the cluster had room. */
  readonly lacking: () => number;
  /** Whether it should have instances, without a call, that there was no room for. */
  readonly isShort: () => boolean;
  /** What the version asks for without a call is kept ready from now on, or not. */
  readonly place: (isPlaced: boolean) => void;
  /** So many calls at the same time may soon be here; 0: nothing is known. */
  readonly expectCalls: (calls: number) => void;
  /** What is remembered of its demand. */
  readonly scaleState: () => ScaleState;
  /** Idle ones beyond those it is meant to have. */
  readonly evictable: () => readonly PoolInstance[];
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
  remembered?: ScaleState,
): VersionPool {
  const { clock } = ports;
  const { tenant } = of;
  const { concurrency, scaling } = of.version.manifest;
  const spec = scalingSpec(concurrency, scaling, limits);
  let scaleState = remembered ?? initialScaleState(spec, clock.nowMs());
  let isPlaced = false;
  let running = 0;
  let expectedCalls = 0;
  let isShort = false;
  let wanted = 0;
  let lacking = 0;
  let trouble = noStartTrouble;
  let sparesFromMs = Number.NEGATIVE_INFINITY;
  const waiting = waitingCalls(limits.queueLengthMax, clock);
  const fleet = instanceFleet(of, ports, limits.initTimeoutMs, {
    onChanged: () => share.changed(pool),
    onFailedStart: (outcome) => {
      sparesFromMs = clock.nowMs() + SPARE_RETRY_MS;
      if (outcome.kind === "not-started") {
        trouble = afterFailedStart(trouble, clock.nowMs());
        if (mayTryAgain(trouble)) return;
      }
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
    invoke = instance.invoke,
  ): Promise<CallOutcome> => {
    fleet.callStarted(instance);
    share.callStarted(tenant);
    running += 1;
    trouble = noStartTrouble;
    // The scaler sees when a quiet time ends; `kpa` measures every call.
    if (running === 1 || spec.kind === "kpa") share.changed(pool);
    const { outcome, isAbandoned } = await runWithLeave(instance, call, waitedMs, invoke);
    const callEnded = (isInstanceLost: boolean): void => {
      running -= 1;
      share.callEnded(tenant);
      fleet.callEnded(instance, isInstanceLost);
    };
    // While an answer is streamed the call takes its slot.
    if (typeof isAbandoned === "boolean") callEnded(isAbandoned);
    else void isAbandoned.then(callEnded);
    return outcome;
  };

  const runWithLeave = async (
    instance: PoolInstance,
    call: PoolCall,
    waitedMs: number | undefined,
    invoke: PoolInstance["invoke"],
  ): Promise<RunResult> => {
    const leave = call.leave.ask(waitedMs !== undefined);
    if (leave !== true && !(await leave))
      return { outcome: refused(withdrawn()), isAbandoned: false };
    const coldStart = waitedMs === undefined ? undefined : instance.takeColdStart(waitedMs);
    if (coldStart !== undefined) ports.metrics.coldStart(coldStart);
    const beganAtMs = clock.nowMs();
    const metered = ports.usage.callBegan(of, instance);
    const result = await runOnInstance(invoke, of, call, clock, coldStart);
    if (result.outcome.kind === "streamed")
      void result.outcome.over.then((end) => metered(endOfStream(end, coldStart)));
    else metered(result.outcome);
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
    const startAtMs = Math.max(fleet.crashLoop().startAtMs, trouble.startAtMs);
    const isBackingOff = nowMs < startAtMs;
    const observation = {
      waiting: waiting.length(),
      instances: fleet.all(),
      expectedCalls,
      isPlaced,
      room: () => (isBackingOff ? 0 : share.room(tenant)),
      spareRoom: () => (isBackingOff || nowMs < sparesFromMs ? 0 : share.spareRoom(tenant)),
    };
    const decision = decideScale(scaleState, observation, spec, nowMs);
    scaleState = decision.state;
    ({ isShort, wanted } = decision);
    lacking = isBackingOff ? 0 : decision.lacking;
    for (const instance of decision.retire) fleet.retire(instance);
    for (let count = 0; count < decision.start; count += 1) fleet.start();
    if (decision.checkAtMs !== undefined) nextReview.setFor(decision.checkAtMs);
    if (isBackingOff && (waiting.length() > 0 || isShort)) nextReview.setFor(startAtMs);
    else if (isShort && nowMs < sparesFromMs) nextReview.setFor(sparesFromMs);
  };
  const nextReview = alarm(clock, () => share.changed(pool));
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
    adopt: (instance, leftCalls) => {
      fleet.adopt(instance);
      for (const { requestId, leftMs, call } of leftCalls)
        void dispatch(
          instance,
          unheard(requestId, clock.nowMs() + leftMs),
          undefined,
          () => call,
        ).then(dropAnswer);
      share.changed(pool);
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
      failing: describeCrashLoop(fleet.crashLoop(), clock.nowMs()),
      wanted: isShort ? wanted : undefined,
    }),
    queued: waiting.length,
    waitedMs: waiting.longestMs,
    lacking: () => lacking,
    isShort: () => isShort,
    place: (isNow) => {
      if (isPlaced === isNow) return;
      isPlaced = isNow;
      share.changed(pool);
    },
    expectCalls: (calls) => {
      if (expectedCalls === calls) return;
      expectedCalls = calls;
      share.changed(pool);
    },
    scaleState: () => scaleState,
    evictable: () => evictableInstances(fleet.all(), spec, isPlaced),
    instances: fleet.all,
    refuseWaiting,
    retireAll: () => {
      nextReview.cancel();
      isPlaced = false;
      expectedCalls = 0;
      scaleState = initialScaleState(spec, clock.nowMs());
      refuseWaiting();
      for (const instance of fleet.all()) fleet.retire(instance);
    },
    isAtRest: () =>
      fleet.all().length + waiting.length() + expectedCalls === 0 &&
      !(isPlaced && hasFloor(scaling)) &&
      !nextReview.isSet() &&
      clock.nowMs() > fleet.crashLoop().startAtMs + CRASH_LOOP_KEPT_MS,
  };
  return pool;
}

/** A call of which only the end counts. */
const unheard = (requestId: string, deadlineAtMs: number): PoolCall => ({
  requestId,
  input: { kind: "event", json: Buffer.alloc(0) },
  deadlineAtMs,
  signal: new AbortController().signal,
  leave: startsAtOnce,
});

function dropAnswer(outcome: CallOutcome): void {
  if (outcome.kind === "streamed") outcome.answer.body.destroy();
}
