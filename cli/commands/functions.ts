import type { Command } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { FunctionView, LogPage } from "#lib/contracts/api.ts";
import { AliasRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { connectedCommand, examples, tenantOption, wholeNumber } from "../command-options.ts";
import { connectAsTenant, type TenantConnection } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { formatAge, formatTable, formatTime, printDocument, printLine } from "../print.ts";

const FunctionPage = Type.Object({ items: Type.Array(FunctionView) });
const VersionPage = Type.Object({ items: Type.Array(VersionRecord) });

export function registerList(program: Command): void {
  connectedCommand(program, "list", "list a tenant's functions")
    .addOption(tenantOption())
    .action(async (flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const page = await client.json(FunctionPage, { path: `/v1/tenants/${tenant}/functions` });
      if (flags.json === true) return printDocument(page);
      if (page.items.length === 0)
        return printLine(`${tenant} has no functions: "meridian deploy FOLDER" makes one`);
      const rows = page.items.map((view) => [
        view.name,
        String(view.aliases[LIVE_ALIAS] ?? "-"),
        String(view.latestVersion),
        view.manifest.runtime,
        view.manifest.placement.regions.join(",") || "anywhere",
        `${formatAge(Date.now() - view.updatedAtMs)} ago`,
      ]);
      printLine(
        formatTable(["FUNCTION", "LIVE", "LATEST", "RUNTIME", "MAY RUN IN", "CHANGED"], rows),
      );
    });
}

export function registerRollback(program: Command): void {
  connectedCommand(
    program,
    "rollback",
    "send all calls of a function to an earlier version, in one step",
  )
    .argument("<function>")
    .addOption(tenantOption())
    .option("--to <version>", "which version (default: the one before)", wholeNumber(1, 1e9))
    .addHelpText("after", examples("meridian rollback hello", "meridian rollback hello --to 3"))
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const path = `${functionPath(connection, functionName)}/aliases/${LIVE_ALIAS}`;
      const { document: was, headers } = await connection.client.jsonWithHeaders(AliasRecord, {
        path,
      });
      const version = flags.to ?? (await versionBefore(connection, functionName, was.version));
      const moved = await connection.client.json(AliasRecord, {
        method: "PUT",
        path,
        json: { version },
        // Somebody who moved it in between is told apart from us: 412.
        headers: headers.etag === undefined ? {} : { "if-match": headers.etag },
      });
      if (flags.json === true) return printDocument(moved);
      printLine(`${functionName}: ${moved.alias} is version ${moved.version} (was ${was.version})`);
    });
}

async function versionBefore(
  connection: TenantConnection,
  functionName: string,
  version: number,
): Promise<number> {
  const { items } = await connection.client.json(VersionPage, {
    path: `${functionPath(connection, functionName)}/versions`,
  });
  const earlier = items.map((record) => record.version).filter((number) => number < version);
  if (earlier.length > 0) return Math.max(...earlier);
  throw new MeridianError(
    "MERIDIAN_CONFLICT",
    `${functionName} has no version before ${version}: name one with --to`,
  );
}

export function registerDelete(program: Command): void {
  connectedCommand(program, "delete", "delete a function with all its versions")
    .argument("<function>")
    .addOption(tenantOption())
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      await connection.client.done({
        method: "DELETE",
        path: functionPath(connection, functionName),
      });
      if (flags.json === true)
        return printDocument({ tenant: connection.tenant, deleted: functionName });
      printLine(`${functionName}: deleted`);
    });
}

export function registerLogs(program: Command): void {
  connectedCommand(program, "logs", "print what a function's instances wrote, from all zones")
    .argument("<function>")
    .addOption(tenantOption())
    .option("--request <id>", "only what this request wrote (the X-Request-Id of its answer)")
    .option("--since <age>", "only the last 30s, 10m, 2h or 1d")
    .option("--limit <n>", "at most so many lines", wholeNumber(1, 10_000), 200)
    .addHelpText(
      "after",
      examples("meridian logs hello --since 10m", "meridian logs hello --request 0h2x9c"),
    )
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const query = new URLSearchParams({ limit: String(flags.limit) });
      if (flags.request !== undefined) query.set("requestId", flags.request);
      if (flags.since !== undefined)
        query.set("sinceMs", String(Date.now() - parseAge(flags.since)));
      const page = await connection.client.json(LogPage, {
        path: `${functionPath(connection, functionName)}/logs?${query.toString()}`,
      });
      if (flags.json === true) return printDocument(page);
      for (const line of page.items)
        printLine(
          `${formatTime(line.atMs)}  ${line.zone}  ${line.instance}  ${line.requestId ?? "-"}  ${line.text}`,
        );
      if (page.silentZones.length > 0)
        process.stderr.write(`no answer from ${page.silentZones.join(", ")}\n`);
    });
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };

function parseAge(text: string): number {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  if (count === undefined || unitMs === undefined)
    throw new UsageError(`--since "${text}" is not an age such as 30s, 10m, 2h or 1d`);
  return Number(count) * unitMs;
}

const functionPath = ({ tenant }: TenantConnection, functionName: string): string =>
  `/v1/tenants/${encodeURIComponent(tenant)}/functions/${encodeURIComponent(functionName)}`;
