import { InvalidArgumentError, Option, type Command } from "@commander-js/extra-typings";
import type { Deployed } from "#lib/contracts/api.ts";
import type { ManifestPart } from "../bundle/read-manifest.ts";
import {
  connectedCommand,
  examples,
  listOf,
  tenantOption,
  wholeNumber,
} from "../command-options.ts";
import { connectAsTenant } from "../connect.ts";
import { deployCode } from "../deploy-code.ts";
import { printDocument, printLine } from "../print.ts";
import { progressStyle, showProgress } from "../show-progress.ts";

export function registerDeploy(program: Command): void {
  connectedCommand(
    program,
    "deploy",
    "make the next version of a function and send all calls to it",
  )
    .argument("<folder|zip>", "the function's folder, or an archive that is taken as it is")
    .addOption(tenantOption())
    .option("--name <name>", "name of the function (default: the folder's)")
    .addOption(new Option("--runtime <runtime>", "what runs it").choices(["node", "python"]))
    .option("--handler <file.export>", "where the handler is (default: index.handler)")
    .option("--memory <megabytes>", "memory of an instance", wholeNumber(64, 10_240))
    .option("--timeout-ms <ms>", "time limit of a call", wholeNumber(1, 900_000))
    .option("--concurrency <n>", "calls one instance serves at once", wholeNumber(1, 1_000))
    .option("--idempotent", "a call may be started again elsewhere")
    .option("--env <name=value>", "variable of its environment; may be repeated", parseVariable)
    .option("--region <name>", "region or jurisdiction it must not leave; may be repeated", listOf)
    .addOption(new Option("--http-auth <who>", "who may call /fn/…").choices(["key", "public"]))
    .option("--no-bundle", "pack a Node function's folder as it is")
    .addHelpText(
      "after",
      `
A meridian.json in the folder says the same things; flags win. A Node function is bundled with what it
imports into one file, unless its folder has its own node_modules. Other files of the folder go along
only with --no-bundle.
${examples(
  "meridian deploy ./examples/render-markdown --tenant demo",
  "meridian deploy ./thumbs --memory 512 --timeout-ms 10000 --region eu --env SIZE=200",
  "meridian deploy ./build/function.zip --name thumbs --runtime python",
)}`,
    )
    .action(async (source, flags) => {
      const { bundleFunction } = await import("../bundle/bundle-function.ts");
      const bundled = await bundleFunction(source, manifestFlags(flags), {
        mayBundle: flags.bundle,
      });
      for (const warning of bundled.warnings) process.stderr.write(`warning: ${warning}\n`);
      const { client, tenant } = await connectAsTenant(flags, flags.tenant);
      let deployed: Deployed | undefined;
      const isSilent = flags.json === true || !process.stdout.isTTY;
      await showProgress(progressStyle(isSilent), [
        {
          title: `deploy ${bundled.manifest.name} (${Math.ceil(bundled.zip.byteLength / 1024)} KiB)`,
          run: async () => {
            deployed = await deployCode(client, tenant, bundled);
          },
        },
      ]);
      if (deployed === undefined) return;
      if (flags.json === true) printDocument(deployed);
      else printLine(describeDeployed(deployed));
    });
}

interface ManifestFlags {
  readonly name?: string | undefined;
  readonly runtime?: string | undefined;
  readonly handler?: string | undefined;
  readonly memory?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly idempotent?: true | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly region?: readonly string[] | undefined;
  readonly httpAuth?: string | undefined;
}

/** Only what was said: a flag that is absent must not hide what the file says. */
function manifestFlags(flags: ManifestFlags): ManifestPart {
  const said = {
    name: flags.name,
    runtime: flags.runtime,
    handler: flags.handler,
    memoryMegabytes: flags.memory,
    timeoutMs: flags.timeoutMs,
    concurrency: flags.concurrency,
    idempotent: flags.idempotent,
    environment: flags.env,
    placement: flags.region === undefined ? undefined : { regions: flags.region },
    httpAuth: flags.httpAuth,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

function parseVariable(
  text: string,
  sofar: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("Write it as NAME=VALUE.");
  return { ...sofar, [text.slice(0, equals)]: text.slice(equals + 1) };
}

function describeDeployed({ version, alias, gateways, codeZones }: Deployed): string {
  const all = gateways.ready.length + gateways.waiting.length;
  const waiting =
    gateways.waiting.length === 0 ? "" : `, not yet ready: ${gateways.waiting.join(", ")}`;
  return `Deployed ${version.functionName} version ${version.version} (${alias.alias}): ${gateways.ready.length} of ${all} gateways ready${waiting}, code in ${codeZones.join(", ")}`;
}
