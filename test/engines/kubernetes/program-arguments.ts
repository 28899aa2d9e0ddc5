import { join } from "node:path";
import type { ClusterPlan } from "./cluster-plan.ts";
import { certificateFiles } from "./make-certificates.ts";

interface EtcdAddresses {
  readonly folder: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

interface ApiserverAddresses {
  readonly certificates: string;
  readonly etcdPort: number;
  readonly port: number;
  readonly address: string;
  readonly serviceRange: string;
}

export const NODE_PORTS = {
  etcdClient: 2379,
  etcdPeer: 2380,
  apiserver: 6443,
  controllers: 10_257,
  scheduler: 10_259,
} as const;

/** Without fsync, as tests survive no power cut. */
export function etcdArguments({ folder, clientPort, peerPort }: EtcdAddresses): readonly string[] {
  const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  return [
    `--data-dir=${folder}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

export function apiserverArguments(addresses: ApiserverAddresses): readonly string[] {
  const { certificates, etcdPort, port, address, serviceRange } = addresses;
  const files = certificateFiles(certificates);
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--secure-port=${port}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--tls-cert-file=${files.server}`,
    `--tls-private-key-file=${files.serverKey}`,
    `--client-ca-file=${files.authority}`,
    `--token-auth-file=${files.tokens}`,
    `--kubelet-client-certificate=${files.client}`,
    `--kubelet-client-key=${files.clientKey}`,
    `--service-account-key-file=${files.accountPublicKey}`,
    `--service-account-signing-key-file=${files.accountKey}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-cluster-ip-range=${serviceRange}`,
    "--authorization-mode=Node,RBAC",
    "--allow-privileged=true",
    // A node has no name that anybody could look up: logs and exec would fail.
    "--kubelet-preferred-address-types=InternalIP",
  ];
}

export function controllersArguments({ folder, kubeconfig }: ClusterPlan): readonly string[] {
  const files = certificateFiles(join(folder, "certificates"));
  return [
    `--kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${files.accountKey}`,
    `--root-ca-file=${files.authority}`,
    `--cluster-signing-cert-file=${files.authority}`,
    `--cluster-signing-key-file=${files.authorityKey}`,
    "--use-service-account-credentials=true",
    "--leader-elect=false",
    "--bind-address=127.0.0.1",
    `--secure-port=${NODE_PORTS.controllers}`,
  ];
}

export const schedulerArguments = (kubeconfig: string, port: number): readonly string[] => [
  `--kubeconfig=${kubeconfig}`,
  "--leader-elect=false",
  "--bind-address=127.0.0.1",
  `--secure-port=${port}`,
];

export const kubeletArguments = (cluster: ClusterPlan): readonly string[] => [
  `--config=${join(cluster.folder, "kubelet.json")}`,
  `--kubeconfig=${cluster.kubeconfig}`,
  `--root-dir=${join(cluster.folder, "kubelet")}`,
  `--cert-dir=${join(cluster.folder, "kubelet", "pki")}`,
  `--hostname-override=${cluster.name}`,
  `--node-ip=${cluster.nodeAddress}`,
  `--node-labels=topology.kubernetes.io/zone=${cluster.name},topology.kubernetes.io/region=${cluster.name}`,
];

export const proxyArguments = (cluster: ClusterPlan): readonly string[] => [
  `--kubeconfig=${cluster.kubeconfig}`,
  `--hostname-override=${cluster.name}`,
  "--proxy-mode=nftables",
  `--cluster-cidr=${cluster.podRange}`,
  // The connection table is the machine's: its limits stay as they are.
  "--conntrack-max-per-core=0",
  "--conntrack-tcp-timeout-established=0",
  "--conntrack-tcp-timeout-close-wait=0",
  "--healthz-bind-address=127.0.0.1:10256",
  "--metrics-bind-address=127.0.0.1:10249",
];
