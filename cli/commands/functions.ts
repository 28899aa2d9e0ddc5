import type { Command } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { FunctionView, LogPage } from "#lib/contracts/api.ts";
import { AliasRecord } from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { connectedCommand, examples, tenantOption, wholeNumber } from "../command-options.ts";
import { connectAsTenant, functionPath } from "../connect.ts";
import { describeShares } from "../describe-shares.ts";
import { UsageError } from "../failures.ts";
import {
  describeWaiting,
  formatAge,
  formatTable,
  formatTime,
  printDocument,
  printLine,
} from "../print.ts";
import { cancelRollout, describeRollout, findRunning } from "../rollouts.ts";

const FunctionPage = Type.Object({ items: Type.Array(FunctionView) });

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
    .option("--to <version>", "which version (default: what live was before)", wholeNumber(1, 1e9))
    .option("--anywhere", "also where the version that is live could not run")
    .addHelpText("after", examples("meridian rollback hello", "meridian rollback hello --to 3"))
    .action(async (functionName, flags) => {
      const connection = await connectAsTenant(flags, flags.tenant);
      const live = { functionName, alias: LIVE_ALIAS };
      // While a rollout runs, to go back is to end it.
      if ((await findRunning(connection, live)) !== undefined && flags.to === undefined) {
        const cancelled = await cancelRollout(connection, live);
        if (flags.json === true) return printDocument(cancelled);
        return printLine(describeRollout(cancelled));
      }
      const path = `${functionPath(connection, functionName)}/aliases/${LIVE_ALIAS}`;
      const { document: was, headers } = await connection.client.jsonWithHeaders(AliasRecord, {
        path,
      });
      const version = flags.to ?? versionBefore(was);
      const answer = await connection.client.jsonWithHeaders(AliasRecord, {
        method: "PUT",
        path,
        json: { version, ...(flags.anywhere === true && { acceptWiderPlacement: true }) },
        // Somebody who moved it in between is told apart from us: 412.
        headers: headers.etag === undefined ? {} : { "if-match": headers.etag },
      });
      const moved = answer.document;
      if (flags.json === true) return printDocument(moved);
      const still = describeWaiting(answer.headers);
      printLine(
        `${functionName}: ${moved.alias} is version ${moved.version} (was ${describeShares(was)})${still}`,
      );
    });
}

/** What the alias was before it was given to a newer version, which no other lower number need be; of a divided one, the larger part. */
function versionBefore(was: AliasRecord): number {
  const { functionName, alias, version, formerVersion, additionalVersions } = was;
  if (additionalVersions !== undefined) return version;
  if (formerVersion !== undefined && formerVersion < version) return formerVersion;
  const why =
    formerVersion === undefined
      ? `${functionName} was never another version than ${version}`
      : `${alias} was moved back from version ${formerVersion} already`;
  throw new MeridianError("MERIDIAN_CONFLICT", `${why}: name one with --to`);
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
