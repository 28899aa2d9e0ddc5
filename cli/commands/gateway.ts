import type { Command } from "@commander-js/extra-typings";
import { GatewayRestart, UpStatus } from "#lib/contracts/supervision.ts";
import {
  type ClusterSight,
  GatewayState,
  type TenantAllowance,
} from "#lib/contracts/gateway-state.ts";
import { connectedCommand, examples } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { formatAge, formatTable, printable, printDocument, printLine } from "../print.ts";
import { findState } from "../state-directory.ts";
import { askUp } from "../up-client.ts";

/** Of a thousand tenants those that are busiest say enough; `--json` has all. */
const TENANTS_SHOWN = 10;
const TELL_INTERVAL_MS = 3_000;
const WHOLE_MILLIONTHS = 1_000_000;

export function registerGateway(program: Command): void {
  const gateway = program
    .command("gateway")
    .description(
      "see what a gateway thinks at this moment; restart gateways without a failed call",
    );
  connectedCommand(gateway, "state", "show how a zone's gateway sees clusters, limits and retries")
    .argument("<zone>", "whose gateway")
    .addHelpText("after", examples("meridian gateway state us-east"))
    .action(async (zone, flags) => {
      const client = await connectAsOperator(flags);
      const path = `/v1/gateways/${encodeURIComponent(zone)}/state`;
      const state = await client.json(GatewayState, { path });
      if (flags.json === true) return printDocument(state);
      printLine(describeGateway(state));
    });
  registerRestart(gateway);
}

function registerRestart(gateway: Command): void {
  connectedCommand(
    gateway,
    "restart",
    "replace gateways of the `meridian up` on this machine, one after the other, while they serve",
  )
    .argument("[zones...]", "whose gateways")
    .option("--all", "those of every zone")
    .addHelpText(
      "after",
      examples("meridian gateway restart us-east", "meridian gateway restart --all"),
    )
    .action(async (named, flags) => {
      if (named.length > 0 === (flags.all === true))
        throw new UsageError("name the zones whose gateways shall restart, or say --all");
      const state = findState(flags.state);
      const zones = flags.all === true ? await zonesOf(state) : named;
      const done: GatewayRestart[] = [];
      for (const zone of new Set(zones)) {
        const path = `/gateways/${encodeURIComponent(zone)}:restart`;
        const stopTelling = tellWaiting(zone);
        const asked = askUp(state, GatewayRestart, "POST", path);
        const result = await asked.finally(stopTelling);
        done.push(result);
        if (flags.json !== true) for (const line of describeRestart(result)) printLine(line);
      }
      if (flags.json === true) printDocument(done);
    });
}

/** What an old gateway carries may go on for a while: beside the answer it is said that this is what is waited for. */
function tellWaiting(zone: string): () => void {
  const startedAtMs = performance.now();
  const telling = setInterval(() => {
    const age = formatAge(performance.now() - startedAtMs);
    process.stderr.write(
      `${zone}: ${age} so far, until the new gateway is ready and the calls and streams on the old one have ended\n`,
    );
  }, TELL_INTERVAL_MS);
  return () => clearInterval(telling);
}

async function zonesOf(state: string): Promise<string[]> {
  const { groups } = await askUp(state, UpStatus, "GET", "/status");
  return groups.flatMap(({ zone, programs }) => {
    const isStopped = programs.every((one) => one.state === "stopped");
    return zone === null || isStopped ? [] : [zone];
  });
}

const describeRestart = ({ zone, restarted }: GatewayRestart): string[] =>
  restarted.map(({ pid, by }) =>
    pid === null
      ? `${zone}: process ${by} serves now`
      : `${zone}: process ${by} serves now, ${pid} has ended`,
  );

function describeGateway(state: GatewayState): string {
  const { table, retryBudget, circuits, counts, tenants, tenantsLeftOut } = state;
  const position = table.position === null ? "none" : `revision ${table.position.revision}`;
  const left = tenants.length - TENANTS_SHOWN + tenantsLeftOut;
  return [
    `gateway of ${state.zone}: ${printable(state.notReady ?? "ready")}, up for ${formatAge(state.uptimeMs)}`,
    `table: ${position}, heard ${formatAge(table.ageMs)} ago`,
    `retries of the last 10 s: ${retryBudget.spent} of ${retryBudget.allowed} spent, ${retryBudget.requests} requests${(retryBudget.refused ?? 0) > 0 ? `, ${retryBudget.refused} times no room` : ""}`,
    `circuits: ${circuits.open} open, ${circuits.kept} watched`,
    `calls: ${describeCounts(counts.outcomes)}`,
    `turned away: ${describeCounts(counts.limited)}`,
    "",
    formatTable(
      ["CLUSTER", "STATE", "MODE", "WEIGHT", "PINGS", "ROUND TRIP", "BREAKER", "LINK", "CALLS"],
      state.clusters.map(clusterRow),
    ),
    ...(tenants.length === 0
      ? []
      : [
          "",
          formatTable(
            ["TENANT", "SHARE", "ON LEASE", "TOKENS", "CALLS"],
            tenants.slice(0, TENANTS_SHOWN).map(tenantRow),
          ),
        ]),
    ...(left > 0 ? [`and ${left} more`] : []),
  ].join("\n");
}

function clusterRow(cluster: ClusterSight): string[] {
  const { pings, inFlight, inFlightMax } = cluster;
  return [
    cluster.clusterId,
    cluster.isOverlaid ? `${cluster.state}, held to be down` : cluster.state,
    cluster.mode,
    `${cluster.weightPercent} %`,
    pings.missesInARow === 0 ? pings.view : `${pings.view}, ${pings.missesInARow} missed`,
    pings.roundTripMs === null ? "-" : `${pings.roundTripMs} ms`,
    cluster.breaker,
    cluster.link,
    `${inFlight} of ${inFlightMax}`,
  ];
}

const tenantRow = (tenant: TenantAllowance): string[] => [
  tenant.tenant,
  percentOf(tenant.floorMillionths),
  tenant.leaseLeftMs === 0
    ? "-"
    : `${percentOf(tenant.leaseMillionths)} for ${formatAge(tenant.leaseLeftMs)}`,
  String(tenant.tokens),
  String(tenant.inFlight),
];

const percentOf = (millionths: number): string =>
  `${Math.round((millionths / WHOLE_MILLIONTHS) * 1_000) / 10} %`;

/** `success 1200, limited 3` */
const describeCounts = (counts: Readonly<Record<string, number>>): string => {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.length === 0 ? "none" : some.map(([name, count]) => `${name} ${count}`).join(", ");
};
