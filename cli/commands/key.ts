import type { Command } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { Enforced, KeyCreated, KeyView } from "#lib/contracts/api.ts";
import { connectedCommand, examples, tenantOption } from "../command-options.ts";
import { connectAsTenant } from "../connect.ts";
import { describeEnforced, formatTable, formatTime, printDocument, printLine } from "../print.ts";

const KeyPage = Type.Object({ items: Type.Array(KeyView) });

export function registerKey(program: Command): void {
  const key = program.command("key").description("see, make and revoke a tenant's API keys");
  connectedCommand(key, "list", "list the tenant's keys, without their text")
    .addOption(tenantOption())
    .action(async (flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const page = await client.json(KeyPage, { path: keysPath(tenant) });
      if (flags.json === true) return printDocument(page);
      const rows = page.items.map(({ id, prefix, roles, createdAtMs }) => [
        id,
        `${prefix}…`,
        roles.join(", "),
        formatTime(createdAtMs),
      ]);
      printLine(formatTable(["ID", "BEGINS", "ROLES", "MADE"], rows));
    });
  connectedCommand(key, "create", "make a key and print it; it is shown once")
    .addOption(tenantOption())
    .option("--reader", "one that may read, and neither deploy nor invoke")
    .addHelpText("after", examples("meridian key create --reader"))
    .action(async (flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const created = await client.json(KeyCreated, {
        method: "POST",
        path: keysPath(tenant),
        json: { roles: [flags.reader === true ? "tenant-reader" : "tenant-admin"] },
      });
      if (flags.json === true) return printDocument(created);
      printLine(`${created.key.id}  ${created.apiKey}`);
      printLine("keep the key: it is stored nowhere and not shown again");
    });
  connectedCommand(key, "revoke", "end a key, for calls and for the management API alike")
    .argument("<id>", "as key list shows it")
    .addOption(tenantOption())
    .addHelpText("after", examples("meridian key revoke 9f86d081884c7d65"))
    .action(async (id, flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const enforced = await client.json(Enforced, {
        method: "DELETE",
        path: `${keysPath(tenant)}/${encodeURIComponent(id)}`,
      });
      if (flags.json === true) return printDocument(enforced);
      printLine(`${id} is revoked: ${describeEnforced(enforced)}`);
    });
}

const keysPath = (tenant: string): string => `/v1/tenants/${encodeURIComponent(tenant)}/keys`;
