import { type Command, Option } from "@commander-js/extra-typings";
import { Deployed } from "#lib/contracts/api.ts";
import { Placement } from "#lib/contracts/placement.ts";
import {
  connectedCommand,
  examples,
  listOf,
  tenantOption,
  wholeNumber,
} from "../command-options.ts";
import { connectAsTenant, functionPath } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { describeEnforced, printDocument, printLine } from "../print.ts";

export function registerPlacement(program: Command): void {
  connectedCommand(program, "placement", "see or change where a function may run")
    .argument("<function>")
    .addOption(tenantOption())
    .option("--region <name>", "region or jurisdiction it must not leave; may be repeated", listOf)
    .option("--anywhere", "it may run in every region")
    .addOption(
      new Option("--tier <tier>", "when capacity is short").choices([
        "critical",
        "normal",
        "batch",
      ]),
    )
    .addOption(
      new Option("--spread <how>", "nearest first, or even shares").choices(["nearest", "even"]),
    )
    .addOption(
      new Option("--failback <how>", "when a lost cluster is back").choices([
        "automatic",
        "manual",
      ]),
    )
    .option(
      "--clusters-min <n>",
      "the fewest clusters it may leave, else it is refused",
      wholeNumber(1, 32),
    )
    .addHelpText(
      "after",
      `
Without options it is shown. Another placement is another version, with the same code and settings otherwise.
${examples("meridian placement hello", "meridian placement hello --region eu --tier critical")}`,
    )
    .action(async (functionName, flags) => {
      if (flags.anywhere === true && flags.region !== undefined)
        throw new UsageError("give --region or --anywhere, not both");
      const connection = await connectAsTenant(flags, flags.tenant);
      const path = `${functionPath(connection, functionName)}/placement`;
      const { document: now, headers } = await connection.client.jsonWithHeaders(Placement, {
        path,
      });
      const changes = changesOf(flags);
      if (Object.keys(changes).length === 0) {
        if (flags.json === true) return printDocument(now);
        return printLine(describePlacement(functionName, now));
      }
      const deployed = await connection.client.json(Deployed, {
        method: "PUT",
        path,
        json: { ...now, ...changes },
        // Somebody who changed it in between is told apart from us: 412.
        headers: headers.etag === undefined ? {} : { "if-match": headers.etag },
      });
      if (flags.json === true) return printDocument(deployed);
      const { version, manifest } = deployed.version;
      printLine(`${describePlacement(functionName, manifest.placement)}, since version ${version}`);
      printLine(describeEnforced(deployed.gateways));
    });
}

interface PlacementFlags {
  readonly region?: readonly string[] | undefined;
  readonly anywhere?: true | undefined;
  readonly tier?: Placement["tier"] | undefined;
  readonly spread?: "nearest" | "even" | undefined;
  readonly failback?: "automatic" | "manual" | undefined;
  readonly clustersMin?: number | undefined;
}

function changesOf(flags: PlacementFlags): Partial<Placement> {
  const regions = flags.anywhere === true ? [] : flags.region && [...flags.region];
  return {
    ...(regions !== undefined && { regions }),
    ...(flags.tier !== undefined && { tier: flags.tier }),
    ...(flags.spread !== undefined && { spread: flags.spread }),
    ...(flags.failback !== undefined && { failback: flags.failback }),
    ...(flags.clustersMin !== undefined && { clustersMin: flags.clustersMin }),
  };
}

function describePlacement(functionName: string, placement: Placement): string {
  const where = placement.regions.length === 0 ? "anywhere" : placement.regions.join(", ");
  const { tier, spread = "nearest", failback = "automatic", clustersMin } = placement;
  return `${functionName}: may run ${where === "anywhere" ? where : `in ${where}`}, tier ${tier}, ${spread} first, failback ${failback}, ${clustersMin} or more clusters`.replace(
    "even first",
    "even shares",
  );
}
