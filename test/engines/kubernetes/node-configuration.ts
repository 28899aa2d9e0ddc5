import { join } from "node:path";
import type { ClusterPlan } from "./cluster-plan.ts";
import { certificateFiles } from "./make-certificates.ts";

export const PAUSE_IMAGE = "meridian.local/pause:1";

/** containerd 1.6's, with everything that it makes below the folder. */
export function containerdConfiguration({ folder, containerdSocket }: ClusterPlan): string {
  const own = join(folder, "containerd");
  const handler = (name: string): string => {
    const table = `plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${name}`;
    return `
[${table}]
  runtime_type = "io.containerd.runc.v2"
[${table}.options]
  SystemdCgroup = false
  Root = "${own}/runc"
`;
  };
  // The handler "kata" is runc: it proves the way of a RuntimeClass, not the isolation, as Kata wants a KVM that works.
  return `version = 2
root = "${own}/root"
state = "${own}/state"
[grpc]
  address = "${containerdSocket}"
[ttrpc]
  address = "${containerdSocket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${own}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_apparmor = true
  # Even root may lack CAP_SYS_RESOURCE, and could then start no container.
  restrict_oom_score_adj = true
  # With the rest, so that what is removed with the folder is all there is.
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${folder}/pod-network"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
${handler("runc")}${handler("kata")}`;
}

export const kubeletConfiguration = (cluster: ClusterPlan): object => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  failCgroupV1: false,
  failSwapOn: false,
  cgroupDriver: "cgroupfs",
  cgroupRoot: `/${cluster.namespace}`,
  enforceNodeAllocatable: ["pods"],
  containerRuntimeEndpoint: `unix://${cluster.containerdSocket}`,
  podLogsDir: join(cluster.folder, "pod-logs"),
  volumePluginDir: join(cluster.folder, "kubelet", "volume-plugins"),
  resolvConf: join(cluster.folder, "resolv.conf"),
  clusterDomain: "cluster.local",
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: certificateFiles(join(cluster.folder, "certificates")).authority },
  },
  authorization: { mode: "Webhook" },
  // The disk is shared with everything else on the machine, and images that are removed cannot be pulled again.
  evictionHard: {
    "memory.available": "50Mi",
    "nodefs.available": "1%",
    "imagefs.available": "1%",
  },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  nodeStatusUpdateFrequency: "5s",
});

/** Its name is the cluster's: results of its plugins are kept by that name, outside the folder. */
export const podNetwork = ({ namespace, folder, podRange }: ClusterPlan): object => ({
  cniVersion: "1.0.0",
  name: namespace,
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        dataDir: join(folder, "pod-addresses"),
        ranges: [[{ subnet: podRange }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
});
