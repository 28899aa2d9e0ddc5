import type { Command } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { TenantCreated, TenantHome, TenantSuspension } from "#lib/contracts/api.ts";
import { AuditEntry } from "#lib/contracts/api-status.ts";
import { TenantRecord } from "#lib/contracts/catalog-records.ts";
import { connectedCommand, wholeNumber } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { describeEnforced, formatTable, formatTime, printDocument, printLine } from "../print.ts";

const AuditPage = Type.Object({ items: Type.Array(AuditEntry) });
const TenantPage = Type.Object({ items: Type.Array(TenantRecord) });

export function registerTenant(program: Command): void {
  const tenant = program.command("tenant").description("as an operator: make and list tenants");
  connectedCommand(tenant, "create", "make a tenant and print its first key, which is shown once")
    .argument("<name>")
    .action(async (name, flags) => {
      const client = await connectAsOperator(flags);
      const created = await client.json(TenantCreated, {
        method: "POST",
        path: "/v1/tenants",
        json: { name },
      });
      if (flags.json === true) return printDocument(created);
      printLine(`${created.tenant}  ${created.apiKey}`);
      printLine("keep the key: it is stored nowhere and not shown again");
    });
  connectedCommand(tenant, "list", "list the tenants").action(async (flags) => {
    const client = await connectAsOperator(flags);
    const page = await client.json(TenantPage, { path: "/v1/tenants" });
    if (flags.json === true) return printDocument(page);
    const rows = page.items.map(({ name, createdAtMs, suspendedAtMs, homeRegion }) => [
      name,
      formatTime(createdAtMs),
      suspendedAtMs === undefined ? "active" : "suspended",
      homeRegion ?? "-",
    ]);
    printLine(formatTable(["TENANT", "MADE", "STATE", "HOME"], rows));
  });
  connectedCommand(tenant, "home", "serve a tenant's callers as if they were in one region")
    .argument("<name>")
    .argument("[region]", "a region or zone")
    .option("--none", "serve them where they are")
    .action(async (name, region, flags) => {
      if ((region === undefined) === (flags.none !== true))
        throw new UsageError("name a region, or say --none");
      const client = await connectAsOperator(flags);
      const result = await client.json(TenantHome, {
        method: "POST",
        path: `/v1/tenants/${encodeURIComponent(name)}:home`,
        json: { homeRegion: region ?? null },
      });
      if (flags.json === true) return printDocument(result);
      const home =
        result.homeRegion === null
          ? `${name} has no home, its callers are served where they are`
          : `${name} is at home in ${result.homeRegion}`;
      printLine(`${home}: ${describeEnforced(result.enforced)}`);
    });
  registerSuspension(tenant, "suspend", "refuse all calls of a tenant until it is resumed");
  registerSuspension(tenant, "resume", "take a suspended tenant's calls again");
}

function registerSuspension(tenant: Command, verb: "suspend" | "resume", summary: string): void {
  connectedCommand(tenant, verb, summary)
    .argument("<name>")
    .action(async (name, flags) => {
      const client = await connectAsOperator(flags);
      const result = await client.json(TenantSuspension, {
        method: "POST",
        path: `/v1/tenants/${encodeURIComponent(name)}:${verb}`,
      });
      if (flags.json === true) return printDocument(result);
      const state = result.isSuspended ? "suspended" : "active";
      printLine(`${name} is ${state}: ${describeEnforced(result.enforced)}`);
    });
}

export function registerAudit(program: Command): void {
  connectedCommand(program, "audit", "show who changed what, and who was refused; newest first")
    .option("--tenant <name>", "only what concerns this tenant")
    .option("--limit <n>", "at most so many entries", wholeNumber(1, 10_000), 50)
    .action(async (flags) => {
      const client = await connectAsOperator(flags);
      const query = new URLSearchParams({ limit: String(flags.limit) });
      if (flags.tenant !== undefined) query.set("tenant", flags.tenant);
      const page = await client.json(AuditPage, { path: `/v1/audit?${query.toString()}` });
      if (flags.json === true) return printDocument(page);
      const rows = page.items.map(({ change, outcome, revision }) => [
        formatTime(change.atMs),
        outcome,
        change.action,
        change.subject,
        change.actor,
        revision === null ? "-" : String(revision),
        change.requestId,
      ]);
      printLine(
        formatTable(["TIME", "OUTCOME", "ACTION", "SUBJECT", "ACTOR", "REVISION", "REQUEST"], rows),
      );
    });
}
