import { join, resolve } from "node:path";

/** Everything a cluster is made of has an address in here, which nobody but the clusters uses on a test machine. */
export const CLUSTERS_RANGE = "10.208.0.0/13";

export const CLUSTERS_FOLDER: string = resolve(import.meta.dirname, "../../../.engines/clusters");

/** A cluster for each zone of `npm start`, in its order. */
export const CLUSTER_NAMES = ["eu-west", "us-east", "ap-south"] as const;

/** Names and addresses of a cluster with one node; fixed, so that a later command finds all that an earlier one made. */
export interface ClusterPlan {
  readonly name: string;
  readonly folder: string;
  readonly kubeconfig: string;
  /** Of the network namespace, and of the control groups. */
  readonly namespace: string;
  /** The end of its link that is outside the namespace; the one inside is eth0. */
  readonly hostLink: string;
  readonly hostAddress: string;
  readonly nodeAddress: string;
  readonly podRange: string;
  readonly serviceRange: string;
  /** Of the service `kubernetes`: the first of the range. */
  readonly serviceAddress: string;
  readonly containerdSocket: string;
}

export const ALL_CLUSTERS: readonly ClusterPlan[] = CLUSTER_NAMES.map((name, position) =>
  planCluster(name, position + 1),
);

export const namespaceFile = ({ namespace }: ClusterPlan): string => `/run/netns/${namespace}`;

function planCluster(name: string, index: number): ClusterPlan {
  const folder = join(CLUSTERS_FOLDER, name);
  return {
    name,
    folder,
    kubeconfig: join(folder, "kubeconfig"),
    namespace: `cluster-${name}`,
    hostLink: `link-${name}`,
    hostAddress: `10.210.${index}.1`,
    nodeAddress: `10.210.${index}.2`,
    podRange: `10.211.${index}.0/24`,
    serviceRange: `10.212.${index}.0/24`,
    serviceAddress: `10.212.${index}.1`,
    containerdSocket: join(folder, "containerd", "containerd.sock"),
  };
}
