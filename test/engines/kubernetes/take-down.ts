import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeNetwork } from "./cluster-network.ts";
import type { ClusterPlan } from "./cluster-plan.ts";
import { removeGroups } from "./control-groups.ts";
import { endProcesses } from "./node-processes.ts";
import { tryCommand } from "../../../image/run-command.ts";

/**
 * Takes away all that a cluster is or was, however far it came and however its parts died: nothing of it is asked for help, so
 * nothing of it has to be alive.
 */
export async function takeDown(cluster: ClusterPlan): Promise<void> {
  await endProcesses(cluster);
  await removeShimSockets(cluster);
  await unmountBelow(cluster.folder);
  await removeNetwork(cluster);
  await removeGroups(cluster.namespace);
  await removeNetworkResults(cluster);
  await removeLogLinks(cluster);
  await rm(cluster.folder, { recursive: true, force: true });
}

/** containerd keeps them in one place for the whole machine, and their addresses beside each container. */
async function removeShimSockets({ folder }: ClusterPlan): Promise<void> {
  const tasks = join(folder, "containerd", "state", "io.containerd.runtime.v2.task", "k8s.io");
  for (const task of await namesIn(tasks)) {
    const address = await readFile(join(tasks, task, "address"), "utf8").catch(() => "");
    if (address.startsWith("unix:///run/containerd/s/"))
      await rm(address.slice("unix://".length).trim(), { force: true });
  }
}

/** The innermost first: file systems and network namespaces of pods. */
async function unmountBelow(folder: string): Promise<void> {
  const lines = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  const points = lines.map((line) => line.split(" ")[1] ?? "");
  for (const point of points.filter((path) => path.startsWith(`${folder}/`)).toReversed())
    await tryCommand("umount", ["--lazy", point]);
}

/** What the plugins of the pod network remember, by the network's name. */
async function removeNetworkResults({ namespace }: ClusterPlan): Promise<void> {
  const results = "/var/lib/cni/results";
  for (const name of await namesIn(results))
    if (name.startsWith(`${namespace}-`)) await rm(join(results, name), { force: true });
}

/** The kubelet links to its pods' logs from a place of the machine that cannot be chosen. */
async function removeLogLinks({ folder }: ClusterPlan): Promise<void> {
  const links = "/var/log/containers";
  for (const name of await namesIn(links)) {
    const target = await readlink(join(links, name)).catch(() => "");
    if (target.startsWith(`${folder}/`)) await rm(join(links, name), { force: true });
  }
}

const namesIn = (folder: string): Promise<readonly string[]> => readdir(folder).catch(() => []);
