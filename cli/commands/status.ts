import type { Command } from "@commander-js/extra-typings";
import { FederationStatus, type ZoneStatus } from "#lib/contracts/api.ts";
import { connectedCommand } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

export function registerStatus(program: Command): void {
  connectedCommand(
    program,
    "status",
    "show zones, clusters, replicas, gateways and instances",
  ).action(async (flags) => {
    const client = await connectAsOperator(flags);
    const status = await client.json(FederationStatus, { path: "/v1/status" });
    if (flags.json === true) return printDocument(status);
    printLine(describeFederation(status));
  });
}

function describeFederation(status: FederationStatus): string {
  const lines = [
    `leader: ${status.leader ?? "none"}   catalog: ${status.catalog}   witness: ${status.witness}`,
    "",
    formatTable(
      ["ZONE", "CLUSTER", "STATE", "WEIGHT", "REPLICA", "REVISION", "INSTANCES", "RECEIVERS"],
      status.zones.map(zoneRow),
    ),
  ];
  const instances = status.zones.flatMap(instanceRows);
  if (instances.length > 0)
    lines.push(
      "",
      formatTable(
        ["FUNCTION", "VERSION", "ZONE", "STARTING", "IDLE", "BUSY", "QUEUED"],
        instances.toSorted(byCells),
      ),
    );
  if (status.silentZones.length > 0)
    lines.push("", `no answer from: ${status.silentZones.join(", ")}`);
  return lines.join("\n");
}

function zoneRow(zone: ZoneStatus): string[] {
  const { cluster, position, replicaAgeMs } = zone;
  return [
    zone.zone,
    zone.clusterId,
    cluster === null
      ? "unknown"
      : `${cluster.state}${cluster.decidedAtMs === null ? "" : ` for ${formatAge(Date.now() - cluster.decidedAtMs)}`}`,
    cluster === null ? "-" : `${cluster.weightPercent} %`,
    zone.isReachable
      ? replicaAgeMs === null
        ? "-"
        : `${formatAge(replicaAgeMs)} old`
      : "unreachable",
    position === null ? "-" : String(position.revision),
    String(
      zone.instances.reduce((sum, { starting, idle, busy }) => sum + starting + idle + busy, 0),
    ),
    receivers(zone),
  ];
}

function receivers({ receivers: all, position }: ZoneStatus): string {
  const current = all.filter(
    (receiver) => receiver.position?.revision === position?.revision && receiver.refused === null,
  );
  const refused = all.filter((receiver) => receiver.refused !== null);
  const refusals =
    refused.length === 0 ? "" : `, refused by ${refused.map((one) => one.receiver).join(", ")}`;
  return `${current.length} of ${all.length} current${refusals}`;
}

const instanceRows = ({ zone, instances }: ZoneStatus): string[][] =>
  instances.map((one) => [
    `${one.tenant}/${one.functionName}`,
    String(one.version),
    zone,
    String(one.starting),
    String(one.idle),
    String(one.busy),
    String(one.queued),
  ]);

const byCells = (one: readonly string[], other: readonly string[]): number =>
  one.join(" ").localeCompare(other.join(" "));
