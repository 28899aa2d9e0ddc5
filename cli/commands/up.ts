import { isIP } from "node:net";
import { resolve } from "node:path";
import { type Command, Option } from "@commander-js/extra-typings";
import { Value } from "typebox/value";
import { CatalogConfig } from "#lib/contracts/catalog-config.ts";
import { examples, listOf, wholeNumber } from "../command-options.ts";
import { UsageError } from "../failures.ts";
import { progressStyle } from "../show-progress.ts";
import { DEFAULT_STATE } from "../state-directory.ts";
import { DEFAULT_ZONES, parseZones } from "../up/core/parse-zones.ts";
import { WORKERS_MAX } from "../up/core/plan-programs.ts";
import type { CatalogWish } from "../up/io/settle-catalog.ts";
import type { FederationWish } from "../up/up.ts";

const PORT_MAX = 65_535;

export function registerUp(program: Command): void {
  program
    .command("up")
    .description("run a whole federation on this machine until Ctrl-C")
    .addOption(
      new Option("--state <folder>", "where everything is kept")
        .env("MERIDIAN_STATE")
        .default(DEFAULT_STATE),
    )
    .option(
      "--port <base>",
      "the one address; the gateways alone follow it",
      wholeNumber(1, PORT_MAX),
      8_080,
    )
    .option("--zones <list>", "name[=latitude:longitude:jurisdiction[:bias]],…", DEFAULT_ZONES)
    .option("--idle-seconds <n>", "how long an idle instance is kept", wholeNumber(1, 86_400), 60)
    .option(
      "--workers <n>",
      "gateway processes in each zone, on the same ports",
      wholeNumber(1, WORKERS_MAX),
      1,
    )
    .option("--trusted-proxies <list>", "networks whose forwarded headers are believed", listOf)
    .addOption(
      new Option(
        "--catalog <kind>",
        "where functions and quotas are kept; at the first start alone",
      )
        .choices(["embedded", "etcd"])
        .helpGroup("Catalog:"),
    )
    .addOption(
      new Option("--catalog-endpoints <urls>", "an etcd of yours, as http://HOST:2379,…")
        .argParser(listOf)
        .helpGroup("Catalog:"),
    )
    .addOption(new Option("--catalog-user <name>", "whom that etcd knows").helpGroup("Catalog:"))
    .addOption(
      new Option("--catalog-password-file <file>", "and the password").helpGroup("Catalog:"),
    )
    .addOption(
      new Option("--catalog-ca-file <file>", "who signed its certificates").helpGroup("Catalog:"),
    )
    .addOption(
      new Option("--catalog-certificate-file <file>", "of Meridian, for it").helpGroup("Catalog:"),
    )
    .addOption(new Option("--catalog-key-file <file>", "and the key").helpGroup("Catalog:"))
    .option("--accept-catalog-loss", "begin anew where the catalog's file is gone")
    .option(
      "--new-key-encryption-key",
      "make a new key where its file is gone; all secrets are lost",
    )
    .addOption(
      new Option("--fast-lane <switch>", "whether gateways serve plain requests the shorter way")
        .choices(["on", "off"])
        .default("off"),
    )
    .option("--json", "print one JSON document once everything serves")
    .option("--quiet", "show no progress while starting")
    .addOption(new Option("--without <part>", "leave a part out").choices(["failover"]).hideHelp())
    .addHelpText(
      "after",
      examples(
        "meridian up",
        "meridian up --catalog etcd                      # a member in each zone; needs `npm run engines`",
        "meridian up --catalog-endpoints http://10.0.0.1:2379,http://10.0.0.2:2379",
        "meridian up --workers 2                         # two gateways in each zone",
        "meridian up --port 9000 --zones eu-west,us-east,tokyo=35.7:139.7:jp",
      ),
    )
    .action(async (flags) => {
      const federation = parseFlags(flags);
      // The supervisor and what it needs are loaded by this command alone.
      const { runUntilStopped } = await import("../up/run-until-stopped.ts");
      process.exitCode = await runUntilStopped(federation, {
        asJson: flags.json === true,
        progress: progressStyle(flags.json === true || flags.quiet === true),
        environment: process.env,
      });
    });
}

interface UpFlags {
  readonly state: string;
  readonly port: number;
  readonly zones: string;
  readonly idleSeconds: number;
  readonly workers: number;
  readonly trustedProxies?: readonly string[] | undefined;
  readonly catalog?: string | undefined;
  readonly catalogEndpoints?: readonly string[] | undefined;
  readonly catalogUser?: string | undefined;
  readonly catalogPasswordFile?: string | undefined;
  readonly catalogCaFile?: string | undefined;
  readonly catalogCertificateFile?: string | undefined;
  readonly catalogKeyFile?: string | undefined;
  readonly acceptCatalogLoss?: boolean | undefined;
  readonly newKeyEncryptionKey?: boolean | undefined;
  readonly fastLane: "on" | "off";
  readonly without?: string | undefined;
}

function parseFlags(flags: UpFlags): Omit<FederationWish, "hasReusePort"> {
  const parsed = parseZones(flags.zones);
  if (parsed.kind === "refused") throw new UsageError(`--zones: ${parsed.reason}`);
  const lastPort = flags.port + parsed.zones.length;
  if (lastPort > PORT_MAX)
    throw new UsageError(
      `--port ${flags.port} leaves no room: ports up to ${lastPort} are needed, one for each zone`,
    );
  const trustedProxies = flags.trustedProxies ?? [];
  for (const network of trustedProxies)
    if (!isNetwork(network))
      throw new UsageError(
        `--trusted-proxies: "${network}" is not an address or a network such as 10.0.0.0/8`,
      );
  return {
    stateDirectory: resolve(flags.state),
    zones: parsed.zones,
    catalog: parseCatalog(flags),
    basePort: flags.port,
    workers: flags.workers,
    idleMs: flags.idleSeconds * 1_000,
    failover: flags.without === "failover" ? "off" : "on",
    fastLane: flags.fastLane,
    acceptsCatalogLoss: flags.acceptCatalogLoss === true,
    acceptsKeyLoss: flags.newKeyEncryptionKey === true,
    trustedProxies,
    logLevel: "info",
  };
}

/** What follows `--catalog-` besides the endpoints, and what it is called in the configuration. */
const ENDPOINT_FLAGS = {
  username: "catalogUser",
  passwordFile: "catalogPasswordFile",
  certificateAuthorityFile: "catalogCaFile",
  certificateFile: "catalogCertificateFile",
  keyFile: "catalogKeyFile",
} as const satisfies Record<string, keyof UpFlags>;

function parseCatalog(flags: UpFlags): CatalogWish {
  const { catalog, catalogEndpoints: endpoints } = flags;
  const details = Object.entries(ENDPOINT_FLAGS).flatMap(([key, flag]) => {
    const given = flags[flag];
    if (given === undefined) return [];
    return [[key, key === "username" ? given : resolve(given)] as const];
  });
  if (endpoints === undefined) {
    if (details.length > 0)
      throw new UsageError("--catalog-user and its like go with --catalog-endpoints");
    if (catalog === undefined) return { kind: "kept" };
    return { kind: catalog === "etcd" ? "members" : "embedded" };
  }
  if (catalog === "embedded")
    throw new UsageError("--catalog embedded and --catalog-endpoints exclude each other");
  const config: unknown = { kind: "etcd", endpoints, ...Object.fromEntries(details) };
  if (!Value.Check(CatalogConfig, config) || config.kind !== "etcd")
    throw new UsageError(
      `--catalog-endpoints takes one to nine addresses such as http://10.0.0.1:2379, not "${endpoints.join(",")}"`,
    );
  return { kind: "endpoints", config };
}

function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
  );
}
