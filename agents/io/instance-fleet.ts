import { chooseInstance } from "../core/choose-instance.ts";
import { afterInitFailure, type CrashLoop, noCrashLoop } from "../core/crash-loop.ts";
import { type InstanceEvent, isSpent, stepInstance } from "../core/instance-lifecycle.ts";
import { type PoolInstance, type PoolStart, startPoolInstance } from "./pool-instance.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { PoolPorts } from "./pool-ports.ts";

/** After a call ran out of time, its instance gets this long for its last words. */
const KILL_GRACE_MS = 100;

export type FailedStart = Exclude<PoolStart, { kind: "ready" }>;

/** The instances of one version, from their start to their end. */
export interface InstanceFleet {
  readonly all: () => readonly PoolInstance[];
  /** The instance that should take the next call. */
  readonly free: () => PoolInstance | undefined;
  readonly start: () => void;
  /** One that takes calls already. */
  readonly adopt: (instance: PoolInstance) => void;
  readonly callStarted: (instance: PoolInstance) => void;
  /** An abandoned call leaves its instance unfit for another. */
  readonly callEnded: (instance: PoolInstance, isAbandoned: boolean) => void;
  /** Takes the instance out of service: it ends with its last call. */
  readonly retire: (instance: PoolInstance) => void;
  readonly crashLoop: () => CrashLoop;
}

export interface FleetListener {
  /** A start that calls were waiting for failed; the crash loop has it already. */
  readonly onFailedStart: (outcome: FailedStart) => void;
  readonly onChanged: () => void;
}

export function instanceFleet(
  of: PoolVersion,
  ports: PoolPorts,
  initTimeoutMs: number,
  listener: FleetListener,
): InstanceFleet {
  const { clock } = ports;
  const { concurrency } = of.version.manifest;
  const instances = new Set<PoolInstance>();
  let crashLoop: CrashLoop = noCrashLoop;

  const step = (instance: PoolInstance, event: InstanceEvent): void => {
    instance.usedAtMs = clock.nowMs();
    instance.state = stepInstance(instance.state, event, instance.usedAtMs, concurrency);
  };
  const follow = async (instance: PoolInstance): Promise<void> => {
    const outcome = await instance.started;
    const wasWanted = instance.state.kind === "starting";
    step(instance, outcome.kind === "ready" ? "ready" : "retired");
    if (outcome.kind === "ready") crashLoop = noCrashLoop;
    else if (outcome.kind === "init-failed")
      crashLoop = afterInitFailure(crashLoop, outcome.error, clock.nowMs());
    if (wasWanted && outcome.kind !== "ready") listener.onFailedStart(outcome);
    listener.onChanged();
    await followEnd(instance);
  };
  const followEnd = async (instance: PoolInstance): Promise<void> => {
    await instance.ended;
    step(instance, "exited");
    instances.delete(instance);
    listener.onChanged();
  };

  return {
    all: () => [...instances],
    free: () => chooseInstance(instances, concurrency),
    start: () => {
      const instance = startPoolInstance(of, ports, initTimeoutMs);
      instances.add(instance);
      void follow(instance);
    },
    adopt: (instance) => {
      instances.add(instance);
      step(instance, "ready");
      void followEnd(instance);
    },
    callStarted: (instance) => step(instance, "call-started"),
    callEnded: (instance, isAbandoned) => {
      if (isAbandoned) step(instance, "retired");
      step(instance, "call-ended");
      if (isSpent(instance.state))
        setTimeout(instance.kill, isAbandoned ? KILL_GRACE_MS : 0).unref();
      listener.onChanged();
    },
    retire: (instance) => {
      step(instance, "retired");
      if (isSpent(instance.state)) instance.kill();
    },
    crashLoop: () => crashLoop,
  };
}
