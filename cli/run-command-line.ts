import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "@commander-js/extra-typings";
import { registerAlias, registerVersion } from "./commands/aliases.ts";
import { registerCluster } from "./commands/cluster.ts";
import { registerCatalog } from "./commands/catalog.ts";
import { registerDeploy } from "./commands/deploy.ts";
import { registerDrill } from "./commands/drill.ts";
import {
  registerDelete,
  registerList,
  registerLogs,
  registerRollback,
} from "./commands/functions.ts";
import { registerGateway } from "./commands/gateway.ts";
import { registerInvoke } from "./commands/invoke.ts";
import { registerIsolation } from "./commands/isolation.ts";
import { registerKey } from "./commands/key.ts";
import { registerAudit, registerTenant } from "./commands/operator.ts";
import { registerPlacement } from "./commands/placement.ts";
import { registerQuota } from "./commands/quota.ts";
import { registerRollout } from "./commands/rollout.ts";
import { registerRoute } from "./commands/route.ts";
import { registerSecret } from "./commands/secret.ts";
import { registerShift } from "./commands/shift.ts";
import { registerStatus } from "./commands/status.ts";
import { registerUp } from "./commands/up.ts";
import { registerUsage } from "./commands/usage.ts";
import { registerZone } from "./commands/zone.ts";
import { describeFailure, EXIT_USAGE } from "./failures.ts";
import { REPOSITORY } from "./state-directory.ts";

const REGISTER = [
  registerUp,
  registerDeploy,
  registerInvoke,
  registerList,
  registerStatus,
  registerLogs,
  registerUsage,
  registerRollback,
  registerRollout,
  registerAlias,
  registerVersion,
  registerPlacement,
  registerSecret,
  registerDelete,
  registerRoute,
  registerZone,
  registerCluster,
  registerIsolation,
  registerGateway,
  registerShift,
  registerQuota,
  registerTenant,
  registerKey,
  registerAudit,
  registerCatalog,
  registerDrill,
];

/** All commands; `exitOverride` makes commander throw where it would end the process. */
export function createProgram(): Command {
  const program: Command = new Command("meridian")
    .description("serverless functions across many clusters as one service")
    .version(readVersion())
    .showHelpAfterError("(--help tells more)")
    .exitOverride();
  for (const register of REGISTER) register(program);
  return program;
}

/** From arguments to exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", endQuietly);
  try {
    await createProgram().parseAsync(argv);
  } catch (thrown) {
    process.exitCode = reportFailure(thrown, argv.includes("--json"));
  }
}

/** Who reads what is printed may have read enough, as `head` does. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit();
}

function reportFailure(thrown: unknown, asJson: boolean): number {
  if (thrown instanceof CommanderError) {
    // It has said what is wrong itself; asked-for help is no failure.
    return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  const { text, exitCode } = describeFailure(thrown, asJson);
  process.stderr.write(`${text}\n`);
  return exitCode;
}

function readVersion(): string {
  const document: unknown = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
  const isPackage = typeof document === "object" && document !== null && "version" in document;
  return isPackage ? String(document.version) : "unknown";
}
