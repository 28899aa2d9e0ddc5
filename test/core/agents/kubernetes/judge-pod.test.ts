import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedPod } from "#lib/contracts/observed-pod.ts";
import { judgePod, type PodState } from "../../../../agents/core/kubernetes/judge-pod.ts";

type Status = NonNullable<ObservedPod["status"]>;

const waiting = (reason: string, message?: string): Status => ({
  phase: "Pending",
  containerStatuses: [
    { state: { waiting: { reason, ...(message !== undefined && { message }) } } },
  ],
});
const terminated = (phase: string, reason: string, exitCode: number): Status => ({
  phase,
  containerStatuses: [{ state: { terminated: { reason, exitCode } } }],
});
const unscheduled: Status = {
  phase: "Pending",
  conditions: [
    { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" },
  ],
};
const pending = (obstacle?: string): PodState => ({ kind: "pending", obstacle });
const lost = (reason: string): PodState => ({ kind: "ended", end: { kind: "lost" }, reason });

const cases: readonly { name: string; status: Status; to: PodState; isDeleted?: true }[] = [
  { name: "one that was just asked for is pending", status: {}, to: pending() },
  {
    name: "a container that is made is no obstacle",
    status: waiting("ContainerCreating"),
    to: pending(),
  },
  {
    name: "no room is said with the scheduler's words",
    status: unscheduled,
    to: pending("no node has room for it: 0/3 nodes"),
  },
  {
    name: "an image that cannot be pulled may yet be",
    status: waiting("ImagePullBackOff", "not found"),
    to: pending("its image cannot be pulled: ImagePullBackOff: not found"),
  },
  {
    name: "a crash loop is told",
    status: waiting("CrashLoopBackOff"),
    to: pending("its container does not start: CrashLoopBackOff"),
  },
  {
    name: "an image that may not be pulled blocks it",
    status: waiting("ErrImageNeverPull"),
    to: { kind: "blocked", reason: "its container cannot be made: ErrImageNeverPull" },
  },
  { name: "running is running", status: { phase: "Running" }, to: { kind: "running" } },
  {
    name: "a deleted one that runs is leaving",
    status: { phase: "Running" },
    isDeleted: true,
    to: { kind: "leaving" },
  },
  {
    name: "a deleted one that has not started is leaving",
    status: {},
    isDeleted: true,
    to: { kind: "leaving" },
  },
  {
    name: "too much memory is told apart",
    status: terminated("Failed", "OOMKilled", 137),
    to: { kind: "ended", end: { kind: "out-of-memory" } },
  },
  {
    name: "an exit has its code",
    status: terminated("Failed", "Error", 7),
    to: { kind: "ended", end: { kind: "exit", code: 7 } },
  },
  {
    name: "a container that ended before the phase says so has ended",
    status: terminated("Running", "Completed", 0),
    to: { kind: "ended", end: { kind: "exit", code: 0 } },
  },
  {
    name: "an eviction is not the function's doing",
    status: { ...terminated("Failed", "Error", 137), reason: "Evicted", message: "low on memory" },
    to: lost("its node evicted it: low on memory"),
  },
  {
    name: "nor is a preemption",
    status: { phase: "Failed", reason: "Preempting" },
    to: lost("a pod of a higher priority took its place"),
  },
  {
    name: "nor is a node that shuts down",
    status: { phase: "Failed", reason: "NodeShutdown" },
    to: lost("its node is shutting down"),
  },
  {
    name: "nor is what nobody knows",
    status: { phase: "Failed", reason: "Odd" },
    to: lost("the cluster ended it (Odd)"),
  },
  {
    name: "a node that is lost takes it along",
    status: { phase: "Running", reason: "NodeLost" },
    isDeleted: true,
    to: lost("its node is lost"),
  },
];

for (const { name, status, to, isDeleted } of cases)
  test(name, () => {
    const metadata = {
      name: "p",
      uid: "u",
      ...(isDeleted === true && { deletionTimestamp: "2026-11-22T06:00:00Z" }),
    };
    assert.deepEqual(judgePod({ metadata, status }), to);
  });
