import { resolve } from "node:path";
import { type RunningEngine, runEngine } from "../run-engine.ts";
import { askApiserver } from "./ask-apiserver.ts";
import type { RunningApiserver } from "./start-apiserver.ts";

/** How nodes and pods behave; `npm run engines -- kubernetes` takes it out of kwok's own module. */
const STAGES = resolve(import.meta.dirname, "../../../.engines/kwok-stages.yaml");
/** What a kubelet would offer; its pods are played, so nothing of it is used. */
const ROOM = { cpu: "64", memory: "256Gi", "ephemeral-storage": "1Ti", pods: "250" };
const PLAYED = { "kwok.x-k8s.io/node": "fake" };

/** Nodes `kwok-0` … whose pods seem to run; only what tolerates their taint is scheduled to them. */
export async function startKwok(
  program: string,
  { access, kubeconfig }: Pick<RunningApiserver, "access" | "kubeconfig">,
  nodes: number,
): Promise<RunningEngine> {
  const names = Array.from({ length: nodes }, (_, position) => `kwok-${position}`);
  for (const name of names) {
    const { status, body } = await askApiserver(access, "/api/v1/nodes", {
      method: "POST",
      body: playedNode(name),
    });
    if (status !== 201) throw new Error(`the node ${name} cannot be made: ${body}`);
  }
  return runEngine({
    program,
    argv: () => [
      `--kubeconfig=${kubeconfig}`,
      `--config=${STAGES}`,
      "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
      "--cidr=10.220.0.0/16",
      "--node-ip=10.220.255.1",
      "--node-lease-duration-seconds=40",
    ],
    isReady: async () => {
      const { body } = await askApiserver(access, "/api/v1/nodes");
      return (body.match(/"type":"Ready","status":"True"/g) ?? []).length === names.length;
    },
  });
}

const playedNode = (name: string): object => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, annotations: PLAYED, labels: { "kubernetes.io/hostname": name } },
  spec: { taints: [{ key: "kwok.x-k8s.io/node", value: "fake", effect: "NoSchedule" }] },
  status: { allocatable: ROOM, capacity: ROOM },
});
