import type { PodHello } from "#lib/contracts/pod-frames.ts";
import type { Host } from "../probe-host.ts";

/** Where code is in a pod, and the socket of its launcher that runners connect to. */
export const INSIDE_POD = { task: "/var/task", socket: "/tmp/.meridian/agent.sock" } as const;

/** What the image offers, as its launcher said; the launcher is the first process of its pod, so that nothing outlives it. */
export const hostOfPod = ({ node, python }: NonNullable<PodHello["host"]>): Host => ({
  node,
  endWithLauncher: [],
  python:
    python === undefined
      ? { kind: "missing", reason: "the image of the pods has no python3" }
      : { kind: "found", directories: [], ...python },
});
