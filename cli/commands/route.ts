import type { Command } from "@commander-js/extra-typings";
import { RouteExplanation } from "#lib/contracts/api-status.ts";
import { connectedCommand, examples, tenantOption } from "../command-options.ts";
import { connectAsTenant } from "../connect.ts";
import { describeSplit } from "../describe-shares.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

export function registerRoute(program: Command): void {
  const route = program.command("route").description("see where calls go");
  connectedCommand(route, "explain", "say where a call would go, and why")
    .argument("<function>")
    .addOption(tenantOption())
    .option("--ip <address>", "as if the caller had this address")
    .option("--region <name>", "as if the caller asked for this region or zone")
    .option("--affinity <token>", "as if the caller brought this Meridian-Affinity")
    .addHelpText("after", examples("meridian route explain hello --ip 81.2.69.142"))
    .action(async (functionName, flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const query = new URLSearchParams({ tenant, function: functionName });
      if (flags.ip !== undefined) query.set("ip", flags.ip);
      if (flags.region !== undefined) query.set("region", flags.region);
      const explanation = await client.json(RouteExplanation, {
        path: `/v1/route:explain?${query.toString()}`,
        ...(flags.affinity !== undefined && { headers: { "meridian-affinity": flags.affinity } }),
      });
      if (flags.json === true) return printDocument(explanation);
      printLine(describeRoute(explanation));
    });
}

const describeFallback = ({ fallback }: RouteExplanation): string =>
  fallback === undefined
    ? ""
    : `; its fallback, ${fallback === "version" ? "an older version" : "a fixed answer"}, answers`;

function describeRoute(route: RouteExplanation): string {
  const { origin } = route;
  const rows = route.candidates.map((candidate) => [
    candidate.clusterId,
    candidate.zone,
    `${Math.round(candidate.distanceKilometres)} km`,
    candidate.decision,
    candidate.reason,
  ]);
  return [
    `${route.tenant}/${route.function} (${route.alias}, version ${describeSplit(route.split ?? [{ version: route.version, percent: 100 }])}) goes to ${route.chosen ?? "no cluster"}${describeFallback(route)}`,
    `caller: ${origin.value} (${origin.source}) at ${origin.latitudeDegrees}, ${origin.longitudeDegrees}`,
    formatTable(["CLUSTER", "ZONE", "DISTANCE", "DECISION", "REASON"], rows),
    ...(route.shedPercent === undefined
      ? []
      : [`the federation is full: ${route.shedPercent} % of such calls are turned away`]),
    `table: revision ${route.position.revision}, ${formatAge(route.tableAgeMs)} old`,
  ].join("\n");
}
