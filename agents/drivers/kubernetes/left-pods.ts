import type { HeldNote } from "#lib/contracts/pod-frames.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { judgePod } from "../../core/kubernetes/judge-pod.ts";
import { LABEL } from "../../core/kubernetes/labels.ts";
import type { Instance, LeftInstance } from "../driver.ts";
import { leftInstance } from "../left-instances.ts";
import type { NativeDoors } from "../native-door.ts";
import type { AgentIdentity } from "./agent-identity.ts";
import type { Cluster } from "./open-cluster.ts";
import { instanceListener, leavingInstance } from "./pod-instance.ts";
import type { PodLink } from "./pod-link.ts";
import type { Pod, PodListener, Pods } from "./pods.ts";

/** Launchers try again at least twice a second. */
const REDIAL_WAIT_MS = 2_000;

export interface LeftPodsOptions {
  readonly cluster: Pick<Cluster, "listPods">;
  readonly pods: Pods;
  readonly native: NativeDoors;
  readonly identity: AgentIdentity;
  readonly instances: Map<string, Instance>;
  readonly clock: Clock;
}

/**
 * Pods of an agent before this one: those that run a function and find their way here may be adopted, all others go. Resolves once they
 * are looked for; the result, when they came or were given up.
 */
export async function leftPods(
  options: LeftPodsOptions,
): Promise<() => Promise<readonly LeftInstance[]>> {
  const { cluster, pods, clock } = options;
  const listed = await cluster.listPods();
  const expected = listed.pods.flatMap((pod) => {
    const { name, labels } = pod.metadata;
    const isAlive = judgePod(pod).kind === "running" && labels?.[LABEL.role] === "instance";
    if (isAlive) return expectPod(name, options);
    pods.remove(name);
    return [];
  });
  const coming = Promise.all(expected.map(({ found }) => found));
  return async () => {
    await Promise.race([coming, clock.sleep(REDIAL_WAIT_MS)]);
    for (const { giveUp } of expected) giveUp();
    return (await coming).flatMap((found) => found ?? []);
  };
}

function expectPod(name: string, { pods, native, identity, instances }: LeftPodsOptions) {
  const found = Promise.withResolvers<LeftInstance | undefined>();
  let isFound = false;
  const onLink = ({ running }: PodLink): void => {
    const note = readNote(name, running?.held, identity);
    const process = { instance: name, pid: running?.pid ?? 0, startedAt: "", note };
    const left = leftInstance(process, {
      native: { ...native, close: () => Promise.resolve() },
      kill: () => pod.end(),
      onGone: () => instances.delete(name),
    });
    if (left === undefined) return pod.end();
    isFound = true;
    const { instance, leave } = leavingInstance(left.instance, () => pod.end());
    pod.listen(instanceListener(left.instance, () => undefined, leave));
    instances.set(name, instance);
    return found.resolve({
      spec: left.spec,
      adopt: (onLog) => {
        left.adopt(onLog);
        return instance;
      },
    });
  };
  const listener: PodListener = {
    onLink,
    onReport: () => undefined,
    onLeaving: () => pod.end(),
    onGone: () => found.resolve(undefined),
  };
  const pod: Pod = pods.expect(name, listener);
  return {
    found: found.promise,
    giveUp: () => {
      if (!isFound) pod.end();
    },
  };
}

/** A pod runs other people's code: what it says it runs is believed where the agent before this one sealed it. */
function readNote(pod: string, held: HeldNote | undefined, identity: AgentIdentity): unknown {
  if (held === undefined || !identity.isSigned("note", sealedWords(pod, held.note), held.seal))
    return undefined;
  return held.note;
}

/** What a note is sealed by: it is of one pod alone. */
export const sealedWords = (pod: string, note: unknown): string =>
  `${pod}\n${JSON.stringify(note)}`;
