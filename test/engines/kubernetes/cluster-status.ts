import { isCut } from "./cluster-network.ts";
import type { ClusterPlan } from "./cluster-plan.ts";
import { isMade } from "./bring-up.ts";
import { missingPrograms } from "./node-processes.ts";

export interface ClusterStatus {
  readonly name: string;
  /** `broken`: a part of it has ended; `up` makes it anew, `down` takes it away. */
  readonly state: "down" | "up" | "cut" | "broken";
  readonly missing: readonly string[];
  readonly kubeconfig: string;
  readonly nodeAddress: string;
}

export async function clusterStatus(cluster: ClusterPlan): Promise<ClusterStatus> {
  const { name, kubeconfig, nodeAddress } = cluster;
  const about = { name, kubeconfig, nodeAddress };
  if (!isMade(cluster)) return { ...about, state: "down", missing: [] };
  const missing = await missingPrograms(cluster);
  if (missing.length > 0) return { ...about, state: "broken", missing };
  return { ...about, state: (await isCut(cluster)) ? "cut" : "up", missing };
}
