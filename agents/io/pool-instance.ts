import { MeridianError } from "#lib/errors.ts";
import { toMeridianError } from "#lib/problem.ts";
import { isolationShortfall } from "../core/isolation-shortfall.ts";
import type { InstanceState } from "../core/instance-lifecycle.ts";
import type { Instance, InstanceCall, InstanceStart } from "../drivers/driver.ts";
import type { ColdStart } from "./call-outcome.ts";
import type { HeldCode } from "./code-cache.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { PoolPorts } from "./pool-ports.ts";
import { versionIdentity } from "./version-key.ts";

export type PoolStart = InstanceStart | { readonly kind: "no-code"; readonly error: MeridianError };

/** An instance as its pool sees it: from before its code is here to after its process is gone. */
export interface PoolInstance {
  state: InstanceState;
  usedAtMs: number;
  readonly started: Promise<PoolStart>;
  readonly ended: Promise<void>;
  readonly invoke: (...call: Parameters<Instance["invoke"]>) => InstanceCall;
  readonly kill: () => void;
  /** The phases of its start, once, for the first call that had to wait for it. */
  readonly takeColdStart: (queueMs: number) => ColdStart | undefined;
}

/** One that was started before this agent, and takes calls. */
export function adoptedPoolInstance(
  { ended, invoke, kill }: Instance,
  code: HeldCode,
  nowMs: number,
): PoolInstance {
  return {
    state: { kind: "starting" },
    usedAtMs: nowMs,
    started: Promise.resolve({ kind: "ready", sandboxMs: 0, initMs: 0 }),
    ended: ended.then(code.release),
    invoke,
    kill,
    takeColdStart: () => undefined,
  };
}

/** Fetches the code if it is not here, holds on to it, and starts the instance. */
export function startPoolInstance(
  of: PoolVersion,
  ports: PoolPorts,
  initTimeoutMs: number,
): PoolInstance {
  const { clock, driver } = ports;
  const ended = Promise.withResolvers<void>();
  let instance: Instance | undefined;
  let isKilled = false;
  let phases: Omit<ColdStart, "queueMs" | "scheduleMs"> | undefined;
  const beganAtMs = clock.nowMs();

  const start = async (): Promise<PoolStart> => {
    const shortfall = isolationShortfall(of.version.manifest, driver.isolation.get());
    if (shortfall !== undefined) throw shortfall;
    const code = await ports.code.hold(of.version.codeDigest, of.version.codeBytes);
    try {
      const secrets = await ports.secrets.environmentOf(of);
      if (isKilled) return { kind: "not-started", reason: "it was not needed any more" };
      const codeMs = clock.nowMs() - beganAtMs;
      const { manifest, version } = of.version;
      const starting = driver.start(
        {
          tenant: of.tenant,
          functionName: of.functionName,
          version,
          runtime: manifest.runtime,
          interface: manifest.interface ?? "handler",
          handler: manifest.handler,
          codeDirectory: code.directory,
          memoryMegabytes: manifest.memoryMegabytes,
          concurrency: manifest.concurrency,
          environment: { ...manifest.environment, ...secrets },
          minIsolation: manifest.minIsolation,
          network: manifest.network,
          initTimeoutMs,
          identity: versionIdentity(of),
        },
        (line) => ports.onLog(of, starting.id, line),
      );
      instance = starting;
      void starting.ended.then(() => {
        code.release();
        ended.resolve();
      });
      const outcome = await starting.started;
      if (outcome.kind === "ready")
        phases = {
          codeMs,
          sandboxMs: outcome.sandboxMs,
          initMs: outcome.initMs,
          isPooled: outcome.isPooled === true,
        };
      else starting.kill();
      return outcome;
    } finally {
      if (instance === undefined) {
        code.release();
        ended.resolve();
      }
    }
  };

  return {
    state: { kind: "starting" },
    usedAtMs: clock.nowMs(),
    started: start().catch((error: unknown) => {
      ended.resolve();
      return { kind: "no-code", error: toMeridianError(error) };
    }),
    ended: ended.promise,
    invoke: (header, input) => {
      if (instance === undefined)
        throw new Error("a call was given to an instance without process");
      return instance.invoke(header, input);
    },
    kill: () => {
      isKilled = true;
      instance?.kill();
    },
    takeColdStart: (queueMs) => {
      const taken = phases;
      phases = undefined;
      if (taken === undefined) return undefined;
      const joinedAtMs = clock.nowMs() - queueMs;
      return { queueMs, scheduleMs: Math.max(0, beganAtMs - joinedAtMs), ...taken };
    },
  };
}
