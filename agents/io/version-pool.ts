import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import { chooseInstance } from "../core/choose-instance.ts";
import { coldStartQueue } from "../core/cold-start-queue.ts";
import { afterInitFailure, answerAtOnce, type CrashLoop, noCrashLoop } from "../core/crash-loop.ts";
import { decideScale, type IdleLimits } from "../core/decide-scale.ts";
import { isSpent, stepInstance } from "../core/instance-lifecycle.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import { type CallOutcome, type PoolCall, refused } from "./call-outcome.ts";
import { type PoolInstance, type PoolStart, startPoolInstance } from "./pool-instance.ts";
import type { PoolPorts, PoolVersion } from "./pool-ports.ts";
import { runOnInstance } from "./run-call.ts";

/** After a call ran out of time, its instance gets this long to write its last words. */
const KILL_GRACE_MS = 100;

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
  /** The pool's demand or supply changed; `review` comes back soon. */
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
  /** The version is gone from the table: what runs may finish, what waits is refused. */
  readonly retireAll: () => void;
}

interface WaitingCall {
  readonly call: PoolCall;
  readonly settle: (outcome: CallOutcome) => void;
  readonly joinedAtMs: number;
}

export function versionPool(
  of: PoolVersion,
  ports: PoolPorts,
  limits: PoolLimits,
  share: ClusterShare,
): VersionPool {
  const { clock, metrics } = ports;
  const { tenant } = of;
  const { concurrency } = of.version.manifest;
  const queue = coldStartQueue<WaitingCall>(limits.queueLengthMax);
  const instances = new Set<PoolInstance>();
  let crashLoop: CrashLoop = noCrashLoop;
  let reviewTimer: NodeJS.Timeout | undefined;
  let reviewAtMs = Number.POSITIVE_INFINITY;

  const run = (call: PoolCall): Promise<CallOutcome> => {
    const nowMs = clock.nowMs();
    const knownError = answerAtOnce(crashLoop, nowMs);
    if (knownError !== undefined) return Promise.resolve(initFailure(knownError));
    const free =
      queue.length() === 0 && share.mayRun(tenant)
        ? chooseInstance(instances, concurrency)
        : undefined;
    return free === undefined ? wait(call, nowMs) : dispatch(free, call, undefined);
  };

  const wait = (call: PoolCall, joinedAtMs: number): Promise<CallOutcome> => {
    const { promise, resolve } = Promise.withResolvers<CallOutcome>();
    const leave = (code: "MERIDIAN_DEADLINE_EXCEEDED" | "MERIDIAN_CONNECTION_LOST", why: string) => {
      if (queue.leave(waiting)) waiting.settle(refused(new MeridianError(code, why)));
    };
    const onAbort = () => leave("MERIDIAN_CONNECTION_LOST", "The caller is gone.");
    const timer = setTimeout(
      () =>
        leave(
          "MERIDIAN_DEADLINE_EXCEEDED",
          "No instance was free before the call's time was up; try again, or give it more time.",
        ),
      call.deadlineAtMs - joinedAtMs,
    );
    const waiting: WaitingCall = {
      call,
      joinedAtMs,
      settle: (outcome) => {
        clearTimeout(timer);
        call.signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      },
    };
    call.signal.addEventListener("abort", onAbort, { once: true });
    if (queue.join(waiting, call.deadlineAtMs)) share.changed(pool);
    else waiting.settle(refused(overloaded(`${limits.queueLengthMax} calls wait already`)));
    return promise;
  };

  const dispatch = async (
    instance: PoolInstance,
    call: PoolCall,
    joinedAtMs: number | undefined,
  ): Promise<CallOutcome> => {
    const coldStart =
      joinedAtMs === undefined ? undefined : instance.takeColdStart(clock.nowMs() - joinedAtMs);
    if (coldStart !== undefined) metrics.coldStart(coldStart);
    step(instance, "call-started");
    share.callStarted(tenant);
    const { outcome, isAbandoned } = await runOnInstance(instance, of, call, clock, coldStart);
    if (isAbandoned) step(instance, "retired");
    step(instance, "call-ended");
    share.callEnded(tenant);
    endIfSpent(instance, isAbandoned ? KILL_GRACE_MS : 0);
    share.changed(pool);
    return outcome;
  };

  const step = (instance: PoolInstance, event: Parameters<typeof stepInstance>[1]): void => {
    instance.usedAtMs = clock.nowMs();
    instance.state = stepInstance(instance.state, event, instance.usedAtMs, concurrency);
  };
  const endIfSpent = (instance: PoolInstance, graceMs: number): void => {
    if (!isSpent(instance.state)) return;
    if (graceMs === 0) instance.kill();
    else setTimeout(instance.kill, graceMs).unref();
  };
  const retire = (instance: PoolInstance): void => {
    step(instance, "retired");
    endIfSpent(instance, 0);
  };

  const review = (): void => {
    assignWaiting();
    const nowMs = clock.nowMs();
    const mayStart = nowMs >= crashLoop.startAtMs;
    const decision = decideScale(
      {
        waiting: queue.length(),
        concurrency,
        instances: [...instances],
        room: mayStart ? share.room(tenant) : 0,
      },
      limits,
      nowMs,
    );
    for (const instance of decision.retire) retire(instance);
    for (let count = 0; count < decision.start; count += 1) void start();
    const dueMs = decision.checkAtMs ?? Number.POSITIVE_INFINITY;
    const startMs =
      queue.length() > 0 && !mayStart ? crashLoop.startAtMs : Number.POSITIVE_INFINITY;
    reviewAt(Math.min(dueMs, startMs), nowMs);
  };

  /** One timer; one that rings early only looks again, so that a busy pool need not move it at each call. */
  const reviewAt = (atMs: number, nowMs: number): void => {
    if (atMs >= reviewAtMs || atMs === Number.POSITIVE_INFINITY) return;
    clearTimeout(reviewTimer);
    reviewAtMs = atMs;
    reviewTimer = setTimeout(
      () => {
        reviewAtMs = Number.POSITIVE_INFINITY;
        review();
      },
      Math.max(0, Math.ceil(atMs - nowMs)),
    );
  };

  const assignWaiting = (): void => {
    while (queue.length() > 0 && share.mayRun(tenant)) {
      const free = chooseInstance(instances, concurrency);
      const next = free === undefined ? undefined : queue.takeNext(clock.nowMs());
      if (free === undefined || next === undefined) return;
      void dispatch(free, next.call, next.joinedAtMs).then(next.settle);
    }
  };

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
  const answerFailedStart = (outcome: Exclude<PoolStart, { kind: "ready" }>): void => {
    const answer = failedStart(outcome);
    const concernsAll =
      outcome.kind === "no-code" || answerAtOnce(crashLoop, clock.nowMs()) !== undefined;
    const calls = concernsAll ? queue.takeAll() : [queue.takeNext(clock.nowMs())];
    for (const waiting of calls) waiting?.settle(answer);
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
      queued: queue.length(),
      instances: [...instances],
    }),
    instances: () => [...instances],
    retireAll: () => {
      clearTimeout(reviewTimer);
      for (const waiting of queue.takeAll()) waiting.settle(refused(isGone(of)));
      for (const instance of instances) retire(instance);
    },
  };
  return pool;
}

function failedStart(outcome: Exclude<PoolStart, { kind: "ready" }>): CallOutcome {
  switch (outcome.kind) {
    case "init-failed":
      return initFailure(outcome.error);
    case "not-started":
      return refused(overloaded(`an instance could not be started: ${outcome.reason}`));
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

const overloaded = (why: string): MeridianError =>
  new MeridianError("MERIDIAN_OVERLOADED", `This cluster cannot take the call now: ${why}.`);

const isGone = ({ tenant, functionName, version }: PoolVersion): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `Version ${version.version} of ${tenant}/${functionName} was removed while the call waited.`,
  );
