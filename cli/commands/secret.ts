import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type Command, Option } from "@commander-js/extra-typings";
import { Type } from "typebox";
import { SecretView } from "#lib/contracts/api.ts";
import { connectedCommand, examples, tenantOption } from "../command-options.ts";
import { connectAsTenant } from "../connect.ts";
import { UsageError } from "../failures.ts";
import { formatAge, formatTable, printDocument, printLine } from "../print.ts";

const SecretPage = Type.Object({ items: Type.Array(SecretView) });

export function registerSecret(program: Command): void {
  const secret = program
    .command("secret")
    .description("keep values that functions get in their environment and nobody can read");
  registerSet(secret);
  registerSecretList(secret);
  registerRemove(secret);
}

function registerSet(secret: Command): void {
  connectedCommand(secret, "set", "make a secret, or a new revision of it")
    .argument("<name>")
    .addOption(tenantOption())
    .option("--file <path>", "take the value from a file (default: standard input)")
    // Known only to say what to do instead: an argument is seen by all who may list processes.
    .addOption(new Option("--value <text>").hideHelp())
    .addHelpText(
      "after",
      `
The value is never an argument, since those can be seen by others. One newline at its end is taken off.
Functions that are deployed get the new value with their next deploy.
${examples("meridian secret set db-password < password.txt", "meridian deploy ./api --secret DB_PASSWORD=db-password")}`,
    )
    .action(async (name, flags) => {
      if (flags.value !== undefined)
        throw new UsageError(
          "a value is never an argument, others could see it: give it with --file, or on standard input",
        );
      const value = (await readValue(flags.file)).replace(/\r?\n$/, "");
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const view = await client.json(SecretView, {
        method: "PUT",
        path: `/v1/tenants/${tenant}/secrets/${encodeURIComponent(name)}`,
        json: { value },
      });
      if (flags.json === true) return printDocument(view);
      printLine(`${view.name}: revision ${view.revision}, for functions deployed from now on`);
    });
}

async function readValue(file: string | undefined): Promise<string> {
  if (file === undefined || file === "-") {
    if (process.stdin.isTTY)
      throw new UsageError("give the value on standard input, or with --file: a terminal shows it");
    return text(process.stdin);
  }
  return readFile(file, "utf8").catch((error: Error) => {
    throw new UsageError(`${file} cannot be read: ${error.message}`);
  });
}

function registerSecretList(secret: Command): void {
  connectedCommand(secret, "list", "show a tenant's secrets, never their values")
    .addOption(tenantOption())
    .action(async (flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      const page = await client.json(SecretPage, { path: `/v1/tenants/${tenant}/secrets` });
      if (flags.json === true) return printDocument(page);
      if (page.items.length === 0) return printLine(`${tenant} has no secrets`);
      const rows = page.items.map((view) => [
        view.name,
        String(view.revision),
        `${formatAge(Date.now() - view.changedAtMs)} ago`,
        view.changedBy,
      ]);
      printLine(formatTable(["SECRET", "REVISION", "CHANGED", "BY"], rows));
    });
}

function registerRemove(secret: Command): void {
  connectedCommand(secret, "remove", "remove a secret that no version needs")
    .argument("<name>")
    .addOption(tenantOption())
    .action(async (name, flags) => {
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      await client.done({
        method: "DELETE",
        path: `/v1/tenants/${tenant}/secrets/${encodeURIComponent(name)}`,
      });
      if (flags.json === true) return printDocument({ tenant, removed: name });
      printLine(`${name}: removed`);
    });
}
