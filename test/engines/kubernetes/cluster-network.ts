import { writeFile } from "node:fs/promises";
import { type ClusterPlan, CLUSTERS_RANGE, namespaceFile } from "./cluster-plan.ts";
import { runCommand, tryCommand } from "../../../image/run-command.ts";

/** Behind all others: what has a cluster behind it goes there. */
const UNREACHABLE = ["unreachable", CLUSTERS_RANGE, "metric", "4000"];
const CUT_TABLE = "cluster_cut";

/** An address of a cluster that is gone must never leave the machine by its default route, so this comes before all else. */
export const keepTrafficHere = (): Promise<string> =>
  runCommand("ip", ["route", "replace", ...UNREACHABLE]);

/** Unless somebody else on the machine still has links in that range. */
export async function letTrafficGo(): Promise<void> {
  const routes = await runCommand("ip", ["route", "show", "root", CLUSTERS_RANGE]);
  const others = routes.split("\n").filter((line) => line !== "" && !line.includes("unreachable"));
  if (others.length === 0) await tryCommand("ip", ["route", "del", ...UNREACHABLE]);
}

/** A namespace with one link to the machine; nothing inside has a way to anywhere but the clusters. */
export async function makeNetwork(cluster: ClusterPlan): Promise<void> {
  const { namespace, hostLink, hostAddress, nodeAddress, podRange, serviceRange } = cluster;
  await runCommand("ip", ["netns", "add", namespace]);
  await inBatch(
    [],
    [
      `link add ${hostLink} type veth peer name eth0 netns ${namespace}`,
      `address add ${hostAddress}/24 dev ${hostLink}`,
      `link set ${hostLink} up`,
    ],
  );
  await inBatch(
    ["-n", namespace],
    [
      `address add ${nodeAddress}/24 dev eth0`,
      "link set eth0 up",
      "link set lo up",
      `route add ${CLUSTERS_RANGE} via ${hostAddress}`,
      "route add unreachable default",
    ],
  );
  await inBatch(
    [],
    [podRange, serviceRange].map((range) => `route replace ${range} via ${nodeAddress}`),
  );
  // From one cluster to another; of this link alone, and so gone with it.
  await writeFile(`/proc/sys/net/ipv4/conf/${hostLink}/forwarding`, "1");
  await inNamespace(cluster, "sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
}

/** Routes and rules go with the link and the namespace. */
export async function removeNetwork({ namespace, hostLink }: ClusterPlan): Promise<void> {
  await tryCommand("ip", ["link", "del", hostLink]);
  await tryCommand("ip", ["netns", "del", namespace]);
}

/** Nothing comes in or goes out any more, and nobody is told: packets are dropped inside the namespace. */
export async function cutLink(cluster: ClusterPlan): Promise<void> {
  const table = `table inet ${CUT_TABLE}`;
  const rules = `${table}
delete ${table}
${table} {
  chain incoming { type filter hook prerouting priority raw; iifname "eth0" drop; }
  chain outgoing { type filter hook postrouting priority raw; oifname "eth0" drop; }
}
`;
  await runCommand("nsenter", [...entering(cluster), "nft", "-f", "-"], rules);
}

export async function healLink(cluster: ClusterPlan): Promise<void> {
  if (await isCut(cluster))
    await inNamespace(cluster, "nft", ["delete", "table", "inet", CUT_TABLE]);
}

/** Its own rule tells, so nothing has to be remembered. */
export const isCut = (cluster: ClusterPlan): Promise<boolean> =>
  tryCommand("nsenter", [...entering(cluster), "nft", "list", "table", "inet", CUT_TABLE]);

/** `ip netns exec` would mount another /sys, and hide the control groups. */
export const entering = (cluster: ClusterPlan): readonly string[] => [
  `--net=${namespaceFile(cluster)}`,
  "--",
];

async function inNamespace(cluster: ClusterPlan, program: string, argv: readonly string[]) {
  await runCommand("nsenter", [...entering(cluster), program, ...argv]);
}

async function inBatch(options: readonly string[], lines: readonly string[]): Promise<void> {
  await runCommand("ip", [...options, "-batch", "-"], `${lines.join("\n")}\n`);
}
