import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { AliasRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import { connectedCommand, examples, tenantOption, wholeNumber } from "../command-options.ts";
import { connectAsTenant, functionPath } from "../connect.ts";
import { describeShares } from "../describe-shares.ts";
import { describeWaiting, formatAge, formatTable, printDocument, printLine } from "../print.ts";

const AliasPage = Type.Object({ items: Type.Array(AliasRecord) });
const VersionPage = Type.Object({ items: Type.Array(VersionRecord) });

export function registerAlias(program: Command): void {
  const alias = program.command("alias").description("say which versions get a function's calls");
  registerAliasList(alias);
  registerAliasSet(alias);
  registerAliasRemove(alias);
}

function registerAliasList(alias: Command): void {
  connectedCommand(alias, "list", "show a function's aliases")
    .argument("<function>")
    .addOption(tenantOption())
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const path = `${functionPath(connection, functionName)}/aliases`;
      const page = await connection.client.json(AliasPage, { path });
      if (flags.json === true) return printDocument(page);
      const rows = page.items.map((one) => [
        one.alias,
        describeShares(one),
        `${formatAge(Date.now() - one.updatedAtMs)} ago`,
      ]);
      printLine(formatTable(["ALIAS", "VERSION", "CHANGED"], rows));
    });
}

function registerAliasSet(alias: Command): void {
  connectedCommand(alias, "set", "point an alias at a version, or divide its calls among several")
    .argument("<function>")
    .argument("<alias>")
    .addOption(tenantOption())
    .requiredOption("--to <version>", "the version that takes what is left", wholeNumber(1, 1e9))
    .option("--also <version=percent>", "a share of another one; may be repeated", parseShare)
    .option("--anywhere", "also where the versions before could not run")
    .addHelpText(
      "after",
      examples(
        "meridian alias set hello beta --to 7",
        "meridian alias set hello live --to 6 --also 7=10",
      ),
    )
    .action(async (functionName, name, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const { document: moved, headers } = await connection.client.jsonWithHeaders(AliasRecord, {
        method: "PUT",
        path: `${functionPath(connection, functionName)}/aliases/${encodeURIComponent(name)}`,
        json: {
          version: flags.to,
          additionalVersions: flags.also ?? [],
          ...(flags.anywhere === true && { acceptWiderPlacement: true }),
        },
      });
      if (flags.json === true) return printDocument(moved);
      const still = describeWaiting(headers);
      printLine(`${functionName}: ${moved.alias} is version ${describeShares(moved)}${still}`);
    });
}

function registerAliasRemove(alias: Command): void {
  connectedCommand(alias, "remove", "remove an alias other than live")
    .argument("<function>")
    .argument("<alias>")
    .addOption(tenantOption())
    .action(async (functionName, name, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const path = `${functionPath(connection, functionName)}/aliases/${encodeURIComponent(name)}`;
      await connection.client.done({ method: "DELETE", path });
      if (flags.json === true) return printDocument({ function: functionName, removed: name });
      printLine(`${functionName}: ${name} removed`);
    });
}

export function registerVersion(program: Command): void {
  const version = program.command("version").description("see and remove a function's versions");
  connectedCommand(version, "list", "show a function's versions")
    .argument("<function>")
    .addOption(tenantOption())
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const path = `${functionPath(connection, functionName)}/versions`;
      const page = await connection.client.json(VersionPage, { path });
      if (flags.json === true) return printDocument(page);
      const rows = page.items.map((one) => [
        String(one.version),
        `${formatAge(Date.now() - one.createdAtMs)} ago`,
        one.codeDigest.slice(0, 19),
        one.manifest.placement.regions.join(",") || "anywhere",
      ]);
      printLine(formatTable(["VERSION", "MADE", "CODE", "MAY RUN IN"], rows));
    });
  connectedCommand(version, "remove", "remove a version that nothing points at")
    .argument("<function>")
    .argument("<version>", "", wholeNumber(1, 1e9))
    .addOption(tenantOption())
    .action(async (functionName, number, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const path = `${functionPath(connection, functionName)}/versions/${number}`;
      await connection.client.done({ method: "DELETE", path });
      if (flags.json === true) return printDocument({ function: functionName, removed: number });
      printLine(`${functionName}: version ${number} removed`);
    });
}

type Share = NonNullable<AliasRecord["additionalVersions"]>[number];

function parseShare(text: string, sofar: readonly Share[] = []): Share[] {
  const [, version, digits] = /^(\d{1,9})=(\d{1,9})%?$/.exec(text) ?? [];
  if (version === undefined || digits === undefined)
    throw new InvalidArgumentError("Write it as VERSION=PERCENT.");
  const percent = Number(digits);
  if (percent < 1 || percent > 99)
    throw new InvalidArgumentError(
      "A share is 1 to 99 %: the version of --to takes what is left, at least 1.",
    );
  return [...sofar, { version: Number(version), percent }];
}
