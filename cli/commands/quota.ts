import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { QuotaView } from "#lib/contracts/api.ts";
import { QuotaRequestRecord } from "#lib/contracts/quota-records.ts";
import { FederationStatus, type ZoneStatus } from "#lib/contracts/api-status.ts";
import { QUOTA_CODES, type QuotaCode } from "#lib/contracts/quota-records.ts";
import type { ApiClient } from "../api-client.ts";
import { connectedCommand, examples, tenantOption, wholeNumber } from "../command-options.ts";
import { connectAsOperator, connectAsTenant } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

const QuotaPage = Type.Object({ items: Type.Array(QuotaView) });
const RequestPage = Type.Object({ items: Type.Array(QuotaRequestRecord) });
const STATES = ["PENDING", "APPROVED", "DENIED", "CANCELLED"] as const;
/** How long an approval is watched until every gateway enforces it. */
const ENFORCED_LIMIT_MS = 2_500;

export function registerQuota(program: Command): void {
  const quota = program.command("quota").description("see a tenant's limits and ask for others");
  registerQuotaList(quota);
  registerQuotaRequest(quota);
  registerQuotaRequests(quota);
  registerDecision(quota, "approve", "as an operator: put a requested value in force");
  registerDecision(quota, "deny", "as an operator: turn a request down");
  registerDecision(quota, "cancel", "as the tenant: take a request back");
}

function registerQuotaList(quota: Command): void {
  connectedCommand(quota, "list", "show a tenant's limits and how they are divided")
    .addOption(tenantOption())
    .action(async (flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const page = await client.json(QuotaPage, { path: `/v1/tenants/${tenant}/quotas` });
      if (flags.json === true) return printDocument(page);
      const rows = page.items.map((view) => [
        view.quotaCode,
        String(view.value),
        view.scope === "zone" ? "in each zone" : "over all zones",
        Object.entries(view.zoneSharePercent)
          .map(([zone, percent]) => `${zone} ${Math.round(percent)} %`)
          .join(", "),
      ]);
      printLine(formatTable(["QUOTA", "VALUE", "HOLDS", "SHARES"], rows));
    });
}

function registerQuotaRequest(quota: Command): void {
  connectedCommand(quota, "request", "ask for another value of a limit")
    .argument("<quota>", `rate (requests-per-second), ${QUOTA_CODES.slice(1).join(", ")}`)
    .addOption(tenantOption())
    .requiredOption("--value <n>", "the value wanted", wholeNumber(1, 1_000_000))
    .requiredOption("--reason <text>", "why, for the operator who decides")
    .addHelpText(
      "after",
      examples('meridian quota request rate --value 500 --reason "launch on Friday"'),
    )
    .action(async (name, flags) => {
      const quotaCode = parseQuotaCode(name);
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const record = await client.json(QuotaRequestRecord, {
        method: "POST",
        path: `/v1/tenants/${tenant}/quota-requests`,
        json: { quotaCode, desiredValue: flags.value, reason: flags.reason },
      });
      if (flags.json === true) return printDocument(record);
      printLine(describeRequest(record));
    });
}

function registerQuotaRequests(quota: Command): void {
  connectedCommand(
    quota,
    "requests",
    "list quota requests: of one tenant, or of all as an operator",
  )
    .addOption(new Option("--tenant <name>", "only this tenant's, as that tenant"))
    .addOption(new Option("--status <status>", "only requests in this state").choices(STATES))
    .action(async (flags) => {
      const query = flags.status === undefined ? "" : `?state=${flags.status}`;
      const page = await listRequests(flags, query);
      const items =
        flags.status === undefined
          ? page.items
          : page.items.filter(({ state }) => state === flags.status);
      if (flags.json === true) return printDocument({ ...page, items });
      const rows = items.map((record) => [
        record.id,
        record.tenant,
        record.quotaCode,
        `${record.currentValue} → ${record.desiredValue}`,
        record.state,
        `${formatAge(Date.now() - record.requestedAtMs)} ago`,
        record.reason,
      ]);
      printLine(formatTable(["ID", "TENANT", "QUOTA", "CHANGE", "STATE", "ASKED", "REASON"], rows));
    });
}

async function listRequests(
  flags: { readonly tenant?: string | undefined } & Parameters<typeof connectAsOperator>[0],
  query: string,
) {
  if (flags.tenant === undefined) {
    const client = await connectAsOperator(flags);
    return client.json(RequestPage, { path: `/v1/quota-requests${query}` });
  }
  const { client, tenant } = await connectAsTenant(flags, flags.tenant);
  return client.json(RequestPage, { path: `/v1/tenants/${tenant}/quota-requests` });
}

function registerDecision(
  quota: Command,
  decision: "approve" | "deny" | "cancel",
  summary: string,
): void {
  connectedCommand(quota, decision, summary)
    .argument("<id>", "the request, as quota requests lists it")
    .addOption(tenantOption())
    .option("--reason <text>", "why")
    .action(async (id, flags) => {
      const client =
        decision === "cancel" || flags.tenant !== undefined
          ? (await connectAsTenant(flags, flags.tenant)).client
          : await connectAsOperator(flags);
      const record = await client.json(QuotaRequestRecord, {
        method: "POST",
        path: `/v1/quota-requests/${encodeURIComponent(id)}:${decision}`,
        json: flags.reason === undefined ? {} : { reason: flags.reason },
      });
      if (flags.json === true) return printDocument(record);
      const enforced = decision === "approve" ? await describeEnforcement(client) : "";
      printLine(`${describeRequest(record)}${enforced}`);
    });
}

/** Waits until the gateways of all zones hold a table at least as new as the approval. */
async function describeEnforcement(client: ApiClient): Promise<string> {
  const deadlineMs = performance.now() + ENFORCED_LIMIT_MS;
  let target: number | undefined;
  for (;;) {
    const { zones } = await client.json(FederationStatus, { path: "/v1/status" });
    target ??= newest(zones);
    const reached = target;
    const behind = zones.filter((zone) => !isAt(zone, reached));
    if (behind.length === 0 || performance.now() >= deadlineMs) {
      const there = zones.filter((zone) => isAt(zone, reached)).map(({ zone }) => zone);
      const waiting =
        behind.length === 0 ? "" : `; not yet in ${behind.map(({ zone }) => zone).join(", ")}`;
      return `: enforced in ${there.join(", ") || "no zone yet"}${waiting}`;
    }
    await sleep(100);
  }
}

const newest = (zones: readonly ZoneStatus[]): number =>
  Math.max(0, ...zones.map(({ position }) => position?.revision ?? 0));

const isAt = ({ receivers }: ZoneStatus, revision: number): boolean =>
  receivers.length > 0 &&
  receivers.every(({ position }) => position !== null && position.revision >= revision);

function parseQuotaCode(name: string): QuotaCode {
  const code = QUOTA_CODES.find(
    (known) => known === name || (name === "rate" && known === "requests-per-second"),
  );
  if (code !== undefined) return code;
  throw new UsageError(`there is no quota "${name}"; there are rate, ${QUOTA_CODES.join(", ")}`);
}

const describeRequest = (record: QuotaRequestRecord): string =>
  `${record.id}  ${record.quotaCode}  ${record.currentValue} → ${record.desiredValue}  ${record.state}`;
