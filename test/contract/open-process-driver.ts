import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import type { InstanceDriver } from "../../agents/drivers/driver.ts";
import { createProcessDriver } from "../../agents/drivers/process.ts";

/** A process driver whose launcher runs: its start is not what is tested. */
export async function openProcessDriver(
  t: TestContext,
  poolMegabytesMax = 0,
  sandbox: "auto" | "off" = "auto",
): Promise<InstanceDriver> {
  const directory = await mkdtemp(join(tmpdir(), "driver-"));
  const connected = Promise.withResolvers<void>();
  const driver = await createProcessDriver({
    stateDirectory: directory,
    socketDirectory: directory,
    launcherGraceMs: 2_000,
    poolMegabytesMax,
    sandbox,
    log: pino({ level: "silent" }),
    // Its first word comes with its launcher.
    onPids: () => connected.resolve(),
  });
  t.after(async () => {
    await driver.close();
    await rm(directory, { recursive: true, force: true });
  });
  await connected.promise;
  return driver;
}
