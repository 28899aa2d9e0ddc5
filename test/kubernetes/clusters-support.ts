import { readFile } from "node:fs/promises";
import { runCommand } from "../../image/run-command.ts";
import { ALL_CLUSTERS, type ClusterPlan } from "../engines/kubernetes/cluster-plan.ts";
import { clusterStatus } from "../engines/kubernetes/cluster-status.ts";
import { findParts } from "../engines/kubernetes/find-parts.ts";

const { version }: { version: string } = JSON.parse(await readFile("package.json", "utf8"));
export const IMAGE = `meridian.local/meridian:${version}`;

/** Runs kubectl on a cluster and gives what it printed. */
export type Kubectl = (
  cluster: ClusterPlan,
  argv: readonly string[],
  input?: string,
) => Promise<string>;

export type FoundClusters =
  | { readonly kind: "found"; readonly clusters: readonly ClusterPlan[]; readonly kubectl: Kubectl }
  | { readonly kind: "missing"; readonly reason: string };

/** Three real clusters that are up, or why there are none and the command that makes them. */
export async function findClusters(): Promise<FoundClusters> {
  const found = await findParts();
  if (found.kind === "missing") return found;
  const statuses = await Promise.all(ALL_CLUSTERS.map(clusterStatus));
  const absent = statuses.find(({ state }) => state !== "up");
  if (absent !== undefined) {
    const reason = `${absent.name} is ${absent.state}; \`npm run test:kubernetes\` brings clusters up for its tests`;
    return { kind: "missing", reason };
  }
  const kubectl: Kubectl = ({ kubeconfig }, argv, input) =>
    runCommand(found.parts.kubectl, [`--kubeconfig=${kubeconfig}`, ...argv], input);
  return { kind: "found", clusters: ALL_CLUSTERS, kubectl };
}
