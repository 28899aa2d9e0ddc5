import type { ObservedPod } from "#lib/contracts/observed-pod.ts";
import type { InstanceEnd } from "../function-error.ts";

/** What the cluster says of a pod; its launcher, which is quicker, says the rest. */
export type PodState =
  /** `obstacle`: why it does not run yet, once the cluster has named something; it may pass. */
  | { readonly kind: "pending"; readonly obstacle: string | undefined }
  /** It will not run as long as nobody changes something: waiting longer is in vain. */
  | { readonly kind: "blocked"; readonly reason: string }
  | { readonly kind: "running" }
  /** It is told to go, and may finish what it does. */
  | { readonly kind: "leaving" }
  /** `reason` where the cluster took it away. */
  | { readonly kind: "ended"; readonly end: InstanceEnd; readonly reason?: string };

/** Reasons of waiting containers that no retry of the kubelet mends: https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/images/types.go and kuberuntime */
const BLOCKING = new Set(["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"]);
const PULLING = new Set(["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"]);
const STARTING = new Set(["ContainerCreating", "PodInitializing"]);

export function judgePod({ metadata, status = {} }: ObservedPod): PodState {
  const { phase, reason, message = "" } = status;
  const container = status.containerStatuses?.[0]?.state;
  if (phase === "Failed" || phase === "Succeeded" || container?.terminated !== undefined)
    return ended(reason, message, container?.terminated);
  if (isLost(status.reason)) return { kind: "ended", end: LOST, reason: "its node is lost" };
  if (metadata.deletionTimestamp !== undefined) return { kind: "leaving" };
  if (phase === "Running") return { kind: "running" };
  return pending(status);
}

const LOST: InstanceEnd = { kind: "lost" };

/** Of pods on nodes that do not answer: https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/util/node/node.go */
const isLost = (reason: string | undefined): boolean => reason === "NodeLost";

function ended(
  reason: string | undefined,
  message: string,
  terminated: { readonly reason?: string; readonly exitCode?: number } | undefined,
): PodState {
  if (reason !== undefined && reason !== "Completed") {
    const said = message === "" ? "" : `: ${message}`;
    return { kind: "ended", end: LOST, reason: `${describeRemoval(reason)}${said}` };
  }
  if (terminated?.reason === "OOMKilled") return { kind: "ended", end: { kind: "out-of-memory" } };
  const code = terminated?.exitCode;
  return { kind: "ended", end: code === undefined ? LOST : { kind: "exit", code } };
}

function describeRemoval(reason: string): string {
  switch (reason) {
    case "Evicted":
      return "its node evicted it";
    case "Preempting":
    case "Preempted":
      return "a pod of a higher priority took its place";
    case "NodeShutdown":
    case "Terminated":
      return "its node is shutting down";
    default:
      return `the cluster ended it (${reason})`;
  }
}

function pending(status: NonNullable<ObservedPod["status"]>): PodState {
  const unscheduled = status.conditions?.find(
    ({ type, status: holds, reason }) =>
      type === "PodScheduled" && holds === "False" && reason === "Unschedulable",
  );
  if (unscheduled !== undefined)
    return {
      kind: "pending",
      obstacle: `no node has room for it: ${unscheduled.message ?? "the scheduler did not say why"}`,
    };
  const waiting = status.containerStatuses?.[0]?.state?.waiting;
  const { reason = "", message = "" } = waiting ?? {};
  const words = message === "" ? reason : `${reason}: ${message}`;
  if (BLOCKING.has(reason))
    return { kind: "blocked", reason: `its container cannot be made: ${words}` };
  if (PULLING.has(reason))
    return { kind: "pending", obstacle: `its image cannot be pulled: ${words}` };
  if (reason === "" || STARTING.has(reason)) return { kind: "pending", obstacle: undefined };
  return { kind: "pending", obstacle: `its container does not start: ${words}` };
}
