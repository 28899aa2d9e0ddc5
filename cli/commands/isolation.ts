import type { Command } from "@commander-js/extra-typings";
import { FederationIsolation } from "#lib/contracts/api-status.ts";
import type { IsolationCheck } from "#lib/contracts/isolation.ts";
import { connectedCommand, examples } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { formatAge, formatTable, printable, printDocument, printLine } from "../print.ts";

type ClusterIsolation = FederationIsolation["items"][number];

export function registerIsolation(program: Command): void {
  connectedCommand(
    program,
    "isolation",
    "show what each cluster has proved of the instances it starts, and how",
  )
    .option("--zone <zone>", "of this zone's cluster alone")
    .addHelpText("after", examples("meridian isolation", "meridian isolation --zone eu-west"))
    .action(async (flags) => {
      const client = await connectAsOperator(flags);
      const told = await client.json(FederationIsolation, { path: "/v1/isolation" });
      const answer = flags.zone === undefined ? told : ofZone(told, flags.zone);
      if (flags.json === true) return printDocument(answer);
      printLine(answer.items.map((one) => describeCluster(one, answer.silentZones)).join("\n\n"));
    });
}

function ofZone({ items, silentZones }: FederationIsolation, zone: string): FederationIsolation {
  const found = items.filter((one) => one.zone === zone);
  if (found.length === 0) {
    const names = items.map((one) => one.zone).join(", ");
    throw new UsageError(`there is no zone ${JSON.stringify(zone)}; there are ${names}`);
  }
  return { items: found, silentZones: silentZones.filter((name) => name === zone) };
}

function describeCluster(
  { clusterId, zone, report }: ClusterIsolation,
  silentZones: readonly string[],
): string {
  const name = `${clusterId} (${zone})`;
  if (silentZones.includes(zone)) return `${name}: no answer`;
  if (report === null) return `${name} has proved nothing yet`;
  const age = formatAge(Math.max(0, Date.now() - report.provedAtMs));
  const checks = formatTable(
    ["CHECK", "LEVEL", "HOLDS", "EVIDENCE"],
    report.checks.toSorted(byLevel).map(checkRow),
  );
  return [
    `${name} has proved ${report.level}, ${age} ago`,
    ...(report.checks.length === 0 ? [] : ["", checks]),
    ...(report.notes.length === 0 ? [] : ["", ...report.notes.map(printable)]),
  ].join("\n");
}

const checkRow = ({ name, level, holds, evidence }: IsolationCheck): string[] => [
  name,
  level,
  holds ? "yes" : "no",
  evidence,
];

const byLevel = (one: IsolationCheck, other: IsolationCheck): number =>
  one.level.localeCompare(other.level);
