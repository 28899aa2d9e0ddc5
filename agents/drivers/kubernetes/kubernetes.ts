import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { Instance, InstanceDriver, InstanceLog, InstanceSpec } from "../driver.ts";
import { nativeDoors } from "../native-door.ts";
import { persist } from "./cluster-refusal.ts";
import { followPods } from "./follow-pods.ts";
import { joinCluster } from "./join-cluster.ts";
import type { KubernetesConfig } from "./kubernetes-config.ts";
import { leftPods, sealedWords } from "./left-pods.ts";
import { linkPortOf, podMaker } from "./make-pods.ts";
import { codePacker } from "./pack-code.ts";
import { INSIDE_POD } from "./pod-host.ts";
import { podInstance } from "./pod-instance.ts";
import { podPool } from "./pod-pool.ts";
import { listenForPods } from "./pod-server.ts";
import { openPods, type Pod } from "./pods.ts";
import { receiveCalls } from "./receive-calls.ts";

const CLOSE_LIMIT_MS = 15_000;
const NOT_PROVED =
  "Pods are kept apart by the cluster: within what Pod Security calls restricted, and as its runtime class does. No canary has proved it.";
const NO_SERVERS =
  "functions that are servers, or bring their own bootstrap, do not run in pods yet: use a handler of Node or Python";

export interface KubernetesDriverOptions {
  readonly config: KubernetesConfig;
  readonly zone: string;
  /** The same after a restart, and nobody else's. */
  readonly holder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Another agent acts now, and has the pods: this one has nothing to do any more. */
  readonly onReplaced: () => void;
}

/** Instances as pods of a cluster; resolves when this agent is the one of its zone that acts. */
export async function createKubernetesDriver(
  options: KubernetesDriverOptions,
): Promise<InstanceDriver> {
  const { config, zone, clock } = options;
  const bootPrefix = randomBytes(3).toString("hex");
  const stopping = new AbortController();
  const { signal } = stopping;
  const sleep = (delayMs: number) => clock.sleep(delayMs, signal);
  const { cluster, lease, identity } = await joinCluster({ ...options, bootPrefix, signal });
  const native = nativeDoors(INSIDE_POD.socket);
  const pods = openPods({
    ...options,
    agent: zone,
    cluster,
    identity,
    onCalls: (socket) => receiveCalls(native, socket),
  });
  const instances = new Map<string, Instance>();
  const look = () => leftPods({ cluster, pods, native, identity, instances, clock });
  const leftBehind = await persist(look, sleep);
  const server = await listenForPods({
    host: config.linkHost,
    port: linkPortOf(config),
    identity,
    onHello: pods.onHello,
  });
  const follower = {
    // A pod nobody knows was made by hand, or by an agent that has lost its lease: nobody would ever end it.
    onPod: (pod: Parameters<typeof pods.onObserved>[0]) => {
      if (!pods.onObserved(pod)) pods.remove(pod.metadata.name);
    },
    onGone: pods.onRemoved,
  };
  const following = followPods(cluster, follower, options, signal);

  const maker = podMaker({ ...options, bootPrefix, cluster, identity, owner: lease, pods, sleep });
  const pool = podPool({
    podsMax: config.warmPodsMax,
    startLimitMs: config.podStartTimeoutMs,
    create: ({ runtime, memoryMegabytes }, listenerOf) => {
      const of = { tenant: "", functionName: `pool-${runtime}`, version: 0 };
      const plan = { runtime, memoryMegabytes, tier: undefined, of: undefined };
      const podName = maker.nameFor(of);
      return maker.make({ ...plan, name: podName }, listenerOf(podName));
    },
  });
  const pack = codePacker();
  const start = (spec: InstanceSpec, onLog: (line: InstanceLog) => void): Instance => {
    const { runtime, memoryMegabytes, network = "outbound" } = spec;
    const of = { ...spec, network };
    const isPossible = spec.interface !== "http" && runtime !== "provided";
    const warm = isPossible ? pool.take(spec) : undefined;
    let pod: Pod | undefined = warm;
    const id = warm?.name ?? maker.nameFor(of);
    const starting = podInstance({
      id,
      spec,
      native,
      startLimitMs: config.podStartTimeoutMs,
      isPooled: warm !== undefined,
      pod: () => pod,
      pack,
      seal: (note) => ({ note, seal: identity.sign("note", sealedWords(id, note)) }),
      onLog,
      onGone: () => instances.delete(id),
    });
    instances.set(id, starting.instance);
    pool.follow(starting.instance.started);
    if (warm !== undefined) {
      warm.listen(starting.listener);
      starting.assign(warm);
      maker.assign(warm, of);
    } else if (isPossible) {
      pod = maker.make(
        { name: id, runtime, memoryMegabytes, tier: undefined, of },
        starting.listener,
      );
    } else starting.onImpossible(NO_SERVERS);
    return starting.instance;
  };

  return {
    start,
    leftBehind,
    list: () => [...instances.values()],
    isolation: latestValue<IsolationReport | undefined>({
      level: "L0",
      provedAtMs: clock.wallMs(),
      checks: [],
      notes: [NOT_PROVED],
    }),
    close: async () => {
      pool.close();
      pool.endAll();
      for (const instance of instances.values()) instance.kill();
      const ended = [...instances.values()].map((instance) => instance.ended);
      await Promise.race([Promise.all(ended).then(pods.settled), clock.sleep(CLOSE_LIMIT_MS)]);
      stopping.abort();
      await following;
      await Promise.all([lease.release(), server.close()]);
    },
  };
}
