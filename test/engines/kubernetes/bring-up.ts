import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { askApiserver, isApiserverReady } from "./ask-apiserver.ts";
import { makeNetwork } from "./cluster-network.ts";
import { CLUSTERS_FOLDER, type ClusterPlan } from "./cluster-plan.ts";
import { makeGroups } from "./control-groups.ts";
import type { ClusterParts } from "./find-parts.ts";
import { type AdminAccess, kubeconfig, makeCertificates } from "./make-certificates.ts";
import { containerdConfiguration, kubeletConfiguration, podNetwork } from "./node-configuration.ts";
import { startProgram, untilReady } from "./node-processes.ts";
import {
  apiserverArguments,
  controllersArguments,
  etcdArguments,
  kubeletArguments,
  NODE_PORTS,
  proxyArguments,
  schedulerArguments,
} from "./program-arguments.ts";
import { runCommand, tryCommand } from "../../../image/run-command.ts";

/** On a machine that others use, too, all takes its time. */
const READY_TIMEOUT_MS = 240_000;
export const IMAGES_FOLDER: string = resolve(CLUSTERS_FOLDER, "../images");

/** A whole cluster of one node in a network namespace of its own; what it needs is there before it is started. */
export async function bringUp(cluster: ClusterPlan, parts: ClusterParts): Promise<void> {
  await mkdir(cluster.folder, { recursive: true, mode: 0o700 });
  await Promise.all([makeNetwork(cluster), makeGroups(cluster.namespace)]);
  const access = await startControlPlane(cluster, parts);
  await startNode(cluster, parts, access);
}

/** Makes the images of a file known to the cluster's node. */
export const loadImage = (cluster: ClusterPlan, file: string): Promise<string> =>
  runCommand("ctr", [...inContainerd(cluster), "-n", "k8s.io", "images", "import", file]);

async function startControlPlane(cluster: ClusterPlan, parts: ClusterParts): Promise<AdminAccess> {
  const { folder, nodeAddress, serviceAddress, serviceRange } = cluster;
  const certificates = join(folder, "certificates");
  const endpoint = `https://${nodeAddress}:${NODE_PORTS.apiserver}`;
  const addresses = [nodeAddress, serviceAddress, "127.0.0.1"];
  const access = await makeCertificates(certificates, addresses, endpoint);
  await writeFile(cluster.kubeconfig, kubeconfig(access, cluster.name), { mode: 0o600 });

  const { etcdClient: clientPort, etcdPeer: peerPort, apiserver: port } = NODE_PORTS;
  const etcd = etcdArguments({ folder: join(folder, "etcd"), clientPort, peerPort });
  await startProgram(cluster, "etcd", parts.etcd, etcd);
  const apiserver = apiserverArguments({
    certificates,
    etcdPort: clientPort,
    port,
    address: nodeAddress,
    serviceRange,
  });
  await startProgram(cluster, "kube-apiserver", parts["kube-apiserver"], apiserver);
  await untilReady(cluster, "kube-apiserver", () => isApiserverReady(access), READY_TIMEOUT_MS);

  const controllers = "kube-controller-manager";
  await startProgram(cluster, controllers, parts[controllers], controllersArguments(cluster));
  const scheduler = schedulerArguments(cluster.kubeconfig, NODE_PORTS.scheduler);
  await startProgram(cluster, "kube-scheduler", parts["kube-scheduler"], scheduler);
  return access;
}

async function startNode(
  cluster: ClusterPlan,
  parts: ClusterParts,
  access: AdminAccess,
): Promise<void> {
  const { folder, name } = cluster;
  for (const part of ["containerd", "pod-network"]) await mkdir(join(folder, part));
  const containerd = join(folder, "containerd", "config.toml");
  await writeFile(containerd, containerdConfiguration(cluster));
  await writeFile(join(folder, "kubelet.json"), JSON.stringify(kubeletConfiguration(cluster)));
  await writeFile(
    join(folder, "pod-network", "10-bridge.conflist"),
    JSON.stringify(podNetwork(cluster)),
  );
  await writeFile(join(folder, "resolv.conf"), "nameserver 127.0.0.1\n");

  await startProgram(cluster, "containerd", "containerd", ["--config", containerd]);
  const isAwake = () => tryCommand("ctr", [...inContainerd(cluster), "version"]);
  await untilReady(cluster, "containerd", isAwake, READY_TIMEOUT_MS);
  for (const image of await readdir(IMAGES_FOLDER).catch(() => []))
    if (image.endsWith(".tar")) await loadImage(cluster, join(IMAGES_FOLDER, image));

  await startProgram(cluster, "kubelet", parts.kubelet, kubeletArguments(cluster));
  await startProgram(cluster, "kube-proxy", parts["kube-proxy"], proxyArguments(cluster));
  const isNodeReady = async (): Promise<boolean> => {
    const node = await askApiserver(access, `/api/v1/nodes/${name}`);
    return node.status === 200 && /"type":"Ready","status":"True"/.test(node.body);
  };
  await untilReady(cluster, "kubelet", isNodeReady, READY_TIMEOUT_MS);
  // Without it no pod can be made.
  const account = "/api/v1/namespaces/default/serviceaccounts/default";
  const hasAccount = async () => (await askApiserver(access, account)).status === 200;
  await untilReady(cluster, "kube-controller-manager", hasAccount, READY_TIMEOUT_MS);
}

const inContainerd = ({ containerdSocket }: ClusterPlan): readonly string[] => [
  "--address",
  containerdSocket,
];

export const isMade = ({ folder }: ClusterPlan): boolean => existsSync(folder);
