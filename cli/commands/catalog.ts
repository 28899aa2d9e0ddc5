import type { Command } from "@commander-js/extra-typings";
import { CatalogRecovery, CatalogZone, FederationCatalog } from "#lib/contracts/catalog-status.ts";
import type { ApiClient } from "../api-client.ts";
import { connectedCommand, examples } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

/** A digest is shown this long: enough to see that two are the same. */
const DIGEST_SHOWN = 12;

export function registerCatalog(program: Command): void {
  const catalog = program
    .command("catalog")
    .description(
      "as an operator: see how the zones follow the catalog, and decide after a restore",
    );
  connectedCommand(
    catalog,
    "status",
    "show each zone's position, age, digest and open decisions",
  ).action(async (flags) => {
    const client = await connectAsOperator(flags);
    const status = await client.json(FederationCatalog, { path: "/v1/catalog" });
    if (flags.json === true) return printDocument(status);
    printLine(describeCatalog(status));
  });
  connectedCommand(
    catalog,
    "recover",
    "write back what a restored or emptied catalog lost and a zone kept; overwrites nothing newer",
  )
    .requiredOption("--from-replica <zone>", "the zone that kept it")
    .addHelpText("after", examples("meridian catalog recover --from-replica eu-west"))
    .action(async ({ fromReplica, ...flags }) => {
      const client = await connectAsOperator(flags);
      const recovery = await recoverAll(client, fromReplica);
      if (flags.json === true) return printDocument(recovery);
      printLine(describeRecovery(recovery));
    });
  registerDecision(catalog, "discard", "drop what a zone kept after a restore");
  registerDecision(catalog, "accept", "take over the removals that a zone holds back");
}

function registerDecision(catalog: Command, verb: "discard" | "accept", summary: string): void {
  connectedCommand(catalog, verb, summary)
    .requiredOption("--zone <zone>", "the zone")
    .action(async (flags) => {
      const client = await connectAsOperator(flags);
      const zone = await client.json(CatalogZone, {
        method: "POST",
        path: `/v1/catalog:${verb}`,
        json: { zone: flags.zone },
      });
      if (flags.json === true) return printDocument(zone);
      printLine(describeCatalog({ zones: [zone], silentZones: [] }));
    });
}

/** A call works for some seconds; a large catalog takes several. */
async function recoverAll(client: ApiClient, zone: string): Promise<CatalogRecovery> {
  let recovered = 0;
  for (;;) {
    const step = await client.json(CatalogRecovery, {
      method: "POST",
      path: "/v1/catalog:recover",
      json: { zone },
    });
    recovered += step.recovered;
    if (step.isDone || step.recovered === 0) return { ...step, recovered };
    process.stderr.write(`${recovered} records written back, ${step.left} to go\n`);
  }
}

function describeRecovery({ zone, recovered, isDone, left, leftKeys }: CatalogRecovery): string {
  const lines = [`${recovered} records of ${zone} are in the catalog again`];
  if (left > 0)
    lines.push(
      isDone
        ? `${left} are left, because the catalog has something newer of what they belong to; \`meridian catalog discard --zone ${zone}\` drops them:`
        : `${left} are left; look at \`meridian catalog status\` and call again`,
      ...leftKeys.map((key) => `  ${key}`),
    );
  return lines.join("\n");
}

function describeCatalog({ zones, silentZones }: FederationCatalog): string {
  const rows = zones.map(({ zone, position, ageMs, digest, stranded, heldBack, repairs }) => [
    zone,
    position === null ? "-" : String(position.revision),
    position?.incarnation ?? "-",
    ageMs === null ? "-" : `${formatAge(ageMs)} old`,
    digest?.slice(0, DIGEST_SHOWN) ?? "-",
    String(stranded.served + stranded.superseded),
    heldBack === null ? "0" : `${heldBack.removed} of ${heldBack.held}`,
    String(repairs.byDigest + repairs.byScrub),
  ]);
  const heads = [
    "ZONE",
    "REVISION",
    "INCARNATION",
    "REPLICA",
    "DIGEST",
    "STRANDED",
    "HELD BACK",
    "REPAIRED",
  ];
  const lines = [formatTable(heads, rows), ...zones.flatMap(openDecisions)];
  if (silentZones.length > 0) lines.push("", `no answer from: ${silentZones.join(", ")}`);
  return lines.join("\n");
}

/** What somebody has to do something about, with the command that does it. */
function openDecisions({ zone, stranded, heldBack, refusal }: CatalogZone): string[] {
  const lines: string[] = [];
  if (refusal !== null)
    lines.push(
      "",
      `${zone} does not follow the catalog it finds (${refusal.code}): ${refusal.reason}`,
    );
  if (stranded.served + stranded.superseded > 0)
    lines.push(
      "",
      `${zone} keeps ${stranded.served} records that the restored catalog lost and serves them, and ${stranded.superseded} that were changed since:`,
      ...stranded.keys.map((key) => `  ${key}`),
      `  write them back: meridian catalog recover --from-replica ${zone}`,
      `  or drop them:    meridian catalog discard --zone ${zone}`,
    );
  if (heldBack !== null)
    lines.push(
      "",
      `${zone} goes on serving ${heldBack.removed} functions that the catalog does not have any more`,
      `  if that is right: meridian catalog accept --zone ${zone}`,
    );
  return lines;
}
