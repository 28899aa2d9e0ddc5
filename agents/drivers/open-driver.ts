import { hostname } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { ConfigError } from "#lib/parse-config.ts";
import { tellSupervisor } from "#lib/run-program.ts";
import type { AgentConfig } from "../config.ts";
import type { InstanceDriver } from "./driver.ts";
import { createProcessDriver } from "./process.ts";

/** The driver that is configured; what only one of them needs is imported with it. */
export async function openDriver(
  config: AgentConfig,
  openSocketDirectory: () => Promise<string>,
  log: Logger,
): Promise<InstanceDriver> {
  const onReplaced = (): void => {
    // Whatever it still did could only harm: its instances are another's, and so are the files it would remove.
    log.fatal("an agent that was started later has taken over, ending");
    process.exit(1);
  };
  if (config.driver === "kubernetes") return openKubernetes(config, log, onReplaced);
  return createProcessDriver({
    stateDirectory: join(config.stateDirectory, "launcher"),
    socketDirectory: await openSocketDirectory(),
    launcherGraceMs: config.launcherGraceMs,
    ...(config.poolMegabytesMax === undefined ? {} : { poolMegabytesMax: config.poolMegabytesMax }),
    sandbox: config.sandbox,
    instanceUsersFrom: config.instanceUsersFrom,
    pythonForks: config.pythonForks,
    gvisorProgram: config.gvisorProgram,
    sharedFolders: config.sharedFolders,
    log,
    onPids: (pids) => tellSupervisor({ kind: "pids", pids: [...pids] }),
    onReplaced,
  });
}

async function openKubernetes(
  { kubernetes, zone }: AgentConfig,
  log: Logger,
  onReplaced: () => void,
): Promise<InstanceDriver> {
  if (kubernetes === undefined)
    throw new ConfigError("the driver kubernetes needs the configuration `kubernetes`");
  const { createKubernetesDriver } = await import("./kubernetes/kubernetes.ts");
  // While another agent acts this one only waits, and may go at once.
  const leave = (): void => process.exit(0);
  process.once("SIGTERM", leave);
  const driver = await createKubernetesDriver({
    config: kubernetes,
    zone,
    holder: hostname(),
    clock: systemClock,
    random: systemRandom,
    log,
    onReplaced,
  });
  process.off("SIGTERM", leave);
  return driver;
}
