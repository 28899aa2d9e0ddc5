import type { PoolClass } from "../../core/pool/pool-class.ts";
import { poolClassOf } from "../../core/pool/pool-class.ts";
import type { InstanceSpec } from "../driver.ts";
import { instanceProgram } from "../instance-command.ts";
import { runnerPool, type RunnerPool } from "../pool/runner-pool.ts";
import { runnerSpec } from "../pool/runner-spec.ts";
import { hostOfPod, INSIDE_POD } from "./pod-host.ts";
import type { PodLink } from "./pod-link.ts";
import type { Pod, PodListener } from "./pods.ts";

/** The class that most functions are of: Lambda's own defaults. */
const USUAL: PoolClass = { runtime: "node", memoryMegabytes: 128, network: "outbound" };

export interface PodPoolOptions {
  readonly podsMax: number;
  readonly startLimitMs: number;
  /** Asks the cluster for one; the listener of its name is told of it. */
  readonly create: (of: PoolClass, listenerOf: (name: string) => PodListener) => Pod;
}

export interface PodPool extends Pick<RunnerPool, "follow" | "close"> {
  /** A pod whose runner waits for a function such as this, for good; undefined: none does. */
  readonly take: (spec: InstanceSpec) => Pod | undefined;
  /** Ends those that wait. */
  readonly endAll: () => void;
}

/** Pods that run, each with a runner in it that has exercised itself; how many are kept is decided as for processes. */
export function podPool({ podsMax, startLimitMs, create }: PodPoolOptions): PodPool {
  const pods = new Map<string, Pod>();
  const pool = runnerPool({
    runnersMax: podsMax,
    startLimitMs,
    always: podsMax > 0 ? [USUAL] : [],
    launch: (of) => {
      const pod = create(of, (id) => listenerFor(id, of));
      pods.set(pod.name, pod);
      return { id: pod.name, launched: Promise.resolve() };
    },
    kill: (id) => pods.get(id)?.end(),
    onGone: (id) => pods.delete(id),
    nowMs: () => performance.now(),
  });
  const listenerFor = (instance: string, of: PoolClass): PodListener => ({
    onLink: (link) => startRunner(link, instance, of),
    onReport: (report) =>
      pool.onReport(
        report.kind === "started"
          ? { ...report, instance, startedAt: "" }
          : { ...report, instance },
      ),
    onLeaving: () => pods.get(instance)?.end(),
    onGone: () =>
      pool.onReport({ kind: "exited", instance, code: null, signal: null, isOutOfMemory: false }),
  });
  return {
    follow: pool.follow,
    close: pool.close,
    take: (spec) => {
      const of = poolClassOf(spec);
      const runner = of === undefined ? undefined : pool.take(of);
      const pod = runner === undefined ? undefined : pods.get(runner.instance);
      if (pod !== undefined) pods.delete(pod.name);
      return pod;
    },
    endAll: () => {
      for (const pod of pods.values()) pod.end();
    },
  };
}

function startRunner(link: PodLink, id: string, poolClass: PoolClass): void {
  const of = instanceProgram(id, runnerSpec(poolClass, INSIDE_POD.task), {
    host: hostOfPod(link.host),
    runtimes: link.host.runtimes,
  });
  if (of.kind === "impossible") return link.send("end", {});
  const { program: command, environment, directory } = of;
  const greeting = JSON.stringify({ isPooled: true, socketPath: INSIDE_POD.socket });
  return link.send("start", { command, environment, directory, greeting });
}
