import { InvalidArgumentError, Option, type Command } from "@commander-js/extra-typings";
import type { Deployed } from "#lib/contracts/api.ts";
import { AliasRecord, type RolloutRecord } from "#lib/contracts/catalog-records.ts";
import { ISOLATION_LEVELS } from "#lib/contracts/isolation.ts";
import type { ManifestPart } from "../bundle/read-manifest.ts";
import {
  connectedCommand,
  examples,
  listOf,
  numbersOf,
  tenantOption,
  wholeNumber,
} from "../command-options.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { connectAsTenant, functionPath, type TenantConnection } from "../connect.ts";
import { describeRoom } from "../describe-room.ts";
import { type DeployAnswer, deployCode } from "../deploy-code.ts";
import { UsageError } from "../failures.ts";
import { printDocument, printLine } from "../print.ts";
import { describeRollout, startRollout } from "../rollouts.ts";
import { progressStyle, showProgress } from "../show-progress.ts";
import { rolloutWish } from "./rollout.ts";
import { parseKnob, scalingPart, type ScalingFlags } from "./scaling-flags.ts";

export function registerDeploy(program: Command): void {
  connectedCommand(
    program,
    "deploy",
    "make the next version of a function and send all calls to it",
  )
    .argument("<folder|zip>", "the function's folder, or an archive that is taken as it is")
    .addOption(tenantOption())
    .option("--name <name>", "name of the function (default: the folder's)")
    .addOption(
      new Option("--runtime <runtime>", "what runs it").choices(["node", "python", "provided"]),
    )
    .addOption(
      new Option("--interface <interface>", "how calls reach the code (default: handler)").choices([
        "handler",
        "http",
      ]),
    )
    .option(
      "--handler <file.export>",
      "where the handler is (default: index.handler); of a server its file",
    )
    .option("--memory <megabytes>", "memory of an instance", wholeNumber(64, 10_240))
    .option("--timeout-ms <ms>", "time limit of a call", wholeNumber(1, 900_000))
    .option("--concurrency <n>", "calls one instance serves at once", wholeNumber(1, 1_000))
    .addOption(
      new Option("--scaling <mode>", "how instances follow calls").choices(["request", "kpa"]),
    )
    .option("--min-instances <n>", "instances without any call", wholeNumber(0, 1_000))
    .option("--max-instances <n>", "instances at most, in each cluster", wholeNumber(1, 1_000))
    .option("--provisioned <n>", "idle instances beside those that work", wholeNumber(0, 1_000))
    .option("--kpa <knob=value>", "knob of Knative's autoscaler; may be repeated", parseKnob)
    .option("--idempotent", "a call may be started again elsewhere")
    .option(
      "--env <name=value>",
      "variable of its environment; may be repeated",
      parseVariable("NAME=VALUE"),
    )
    .option(
      "--secret <name=secret>",
      "variable that gets a secret of the tenant; may be repeated",
      parseVariable("NAME=SECRET, with the name of a secret of the tenant"),
    )
    .option("--region <name>", "region or jurisdiction it must not leave; may be repeated", listOf)
    .option("--anywhere", "it may run in every region, whatever the version before might")
    .addOption(
      new Option("--min-isolation <level>", "run it only where the agent has proved this").choices(
        ISOLATION_LEVELS,
      ),
    )
    .addOption(
      new Option("--network <access>", "what it may reach (default: outbound)").choices([
        "outbound",
        "none",
      ]),
    )
    .addOption(new Option("--http-auth <who>", "who may call /fn/…").choices(["key", "public"]))
    .option("--no-bundle", "pack a Node function's folder as it is")
    .option("--no-promote", "make the version, and leave every alias where it is")
    .option("--alias <name>", "point this alias at the version instead of live")
    .option("--canary", "move live to the version step by step, zone after zone")
    .option("--steps <percents>", "of the canary (default: 5,25,50,100)", numbersOf(1, 100))
    .option("--step-seconds <n>", "a step's least time (default: 30)", wholeNumber(1, 86_400))
    .option(
      "--calls-min <n>",
      "calls of each side before the next step (default: 100)",
      wholeNumber(1, 1_000_000),
    )
    .option("--zones <names>", "of the canary: these zones first, in this order", listOf)
    .addHelpText(
      "after",
      `
A meridian.json in the folder says the same things; flags win. A Node function is bundled with what it
imports into one file, unless its folder has its own node_modules. Other files of the folder go along
only with --no-bundle. Where neither says a region, the version may run where the one before it may.
${examples(
  "meridian deploy ./examples/render-markdown --tenant demo",
  "meridian deploy ./thumbs --memory 512 --timeout-ms 10000 --region eu --env SIZE=200",
  "meridian deploy ./build/function.zip --name thumbs --runtime python",
  "meridian deploy ./chat --interface http --handler server.mjs --concurrency 50",
  "meridian deploy ./thumbs --min-instances 1 --max-instances 20",
  "meridian deploy ./thumbs --canary --steps 5,25,50,100 --step-seconds 60",
)}`,
    )
    .action(async (source, flags) => {
      const wanted = aliasOf(flags);
      if (flags.anywhere === true && flags.region !== undefined)
        throw new UsageError("give --region or --anywhere, not both");
      const { bundleFunction } = await import("../bundle/bundle-function.ts");
      const bundled = await bundleFunction(source, manifestFlags(flags), {
        mayBundle: flags.bundle,
      });
      for (const warning of bundled.warnings) process.stderr.write(`warning: ${warning}\n`);
      const connection = await connectAsTenant(flags, flags.tenant);
      const canary = flags.canary === true && (await hasLive(connection, bundled.manifest.name));
      const target = { tenant: connection.tenant, alias: canary ? null : wanted };
      let answer: DeployAnswer | undefined;
      const isSilent = flags.json === true || !process.stdout.isTTY;
      await showProgress(progressStyle(isSilent), [
        {
          title: `deploy ${bundled.manifest.name} (${Math.ceil(bundled.zip.byteLength / 1024)} KiB)`,
          run: async () => {
            answer = await deployCode(connection.client, target, bundled);
          },
        },
      ]);
      if (answer === undefined) return;
      const { deployed } = answer;
      const rollout = canary ? await startCanary(connection, deployed, flags) : undefined;
      if (flags.json === true) return printDocument({ ...deployed, ...(rollout && { rollout }) });
      printLine(describeDeployed(deployed));
      const kept = describeKept(answer);
      if (kept !== undefined) printLine(kept);
      const room = await describeRoom(connection.client, deployed.version.manifest);
      if (room !== undefined) printLine(room);
      if (rollout !== undefined) printLine(describeRollout(rollout));
      else if (flags.canary === true)
        printLine("There was no version before it to compare with, so it is live at once.");
    });
}

interface AliasFlags {
  readonly promote: boolean;
  readonly alias?: string | undefined;
  readonly canary?: true | undefined;
}

function aliasOf({ promote, alias, canary }: AliasFlags): string | null | undefined {
  const said = [!promote, alias !== undefined, canary === true].filter(Boolean);
  if (said.length > 1) throw new UsageError("give one of --no-promote, --alias and --canary");
  return promote ? alias : null;
}

/** Whether there is a version that a canary could be compared with. */
async function hasLive(connection: TenantConnection, functionName: string): Promise<boolean> {
  const path = `${functionPath(connection, functionName)}/aliases/${LIVE_ALIAS}`;
  try {
    await connection.client.json(AliasRecord, { path });
    return true;
  } catch (error) {
    if (!(error instanceof MeridianError)) throw error;
    if (error.code === "MERIDIAN_FUNCTION_NOT_FOUND" || error.code === "MERIDIAN_NOT_FOUND")
      return false;
    throw error;
  }
}

const startCanary = (
  connection: TenantConnection,
  { version: { functionName, version } }: Deployed,
  flags: Parameters<typeof rolloutWish>[1],
): Promise<RolloutRecord> =>
  startRollout(
    connection,
    { functionName, alias: LIVE_ALIAS },
    // Where the version may run was said with this very deploy, or kept.
    { ...rolloutWish(version, flags), acceptWiderPlacement: true },
  );

interface ManifestFlags extends ScalingFlags {
  readonly name?: string | undefined;
  readonly runtime?: string | undefined;
  readonly interface?: string | undefined;
  readonly handler?: string | undefined;
  readonly memory?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly idempotent?: true | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly secret?: Readonly<Record<string, string>> | undefined;
  readonly region?: readonly string[] | undefined;
  readonly anywhere?: true | undefined;
  readonly httpAuth?: string | undefined;
  readonly minIsolation?: string | undefined;
  readonly network?: string | undefined;
}

/** Only what was said: a flag that is absent must not hide what the file says. */
function manifestFlags(flags: ManifestFlags): ManifestPart {
  const regions = flags.anywhere === true ? [] : flags.region;
  const said = {
    name: flags.name,
    runtime: flags.runtime,
    interface: flags.interface,
    handler: flags.handler,
    memoryMegabytes: flags.memory,
    timeoutMs: flags.timeoutMs,
    concurrency: flags.concurrency,
    idempotent: flags.idempotent,
    environment: flags.env,
    secrets: flags.secret,
    placement: regions === undefined ? undefined : { regions },
    httpAuth: flags.httpAuth,
    minIsolation: flags.minIsolation,
    network: flags.network,
    scaling: scalingPart(flags),
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const parseVariable =
  (form: string) =>
  (text: string, sofar: Readonly<Record<string, string>> = {}): Record<string, string> => {
    const equals = text.indexOf("=");
    if (equals < 1) throw new InvalidArgumentError(`Write it as ${form}.`);
    if (!VARIABLE_NAME.test(text.slice(0, equals)))
      throw new InvalidArgumentError("A name has letters, digits and _, and no digit first.");
    return { ...sofar, [text.slice(0, equals)]: text.slice(equals + 1) };
  };

function describeDeployed({ version, alias, gateways, codeZones }: Deployed): string {
  const all = gateways.ready.length + gateways.waiting.length;
  const waiting =
    gateways.waiting.length === 0 ? "" : `, not yet ready: ${gateways.waiting.join(", ")}`;
  return `Deployed ${version.functionName} version ${version.version} (${alias?.alias ?? "no alias"}): ${gateways.ready.length} of ${all} gateways ready${waiting}, code in ${codeZones.join(", ")}`;
}

/** Only where there is a residency to keep: what may run anywhere needs no line. */
function describeKept({ deployed, regionsFrom }: DeployAnswer): string | undefined {
  const { functionName, manifest } = deployed.version;
  const { regions } = manifest.placement;
  if (regionsFrom === undefined || regions.length === 0) return undefined;
  return `${functionName} may run in ${regions.join(", ")}, as version ${regionsFrom}`;
}
