import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { internalClient } from "#lib/io/internal-client.ts";
import { connectCatalog } from "#lib/io/remote-catalog.ts";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { BOOT_TOKEN } from "./open-catalogs.ts";

const MAIN = new URL("../../../../catalog/main.ts", import.meta.url);

/** A catalog process of its own, as `up` starts it, with its run directory and file. */
export interface CatalogProcess {
  readonly start: () => Promise<void>;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
  /** Without waiting for anything, as SIGSTOP and SIGCONT need it. */
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly endpoint: () => Promise<{ internal: string; admin: string }>;
  readonly connect: (limits?: { callTimeoutMs?: number; stallMs?: number }) => Catalog;
}

export async function catalogProcess(
  t: TestContext,
  execArgv: string[] = process.execArgv,
): Promise<CatalogProcess> {
  const directory = await mkdtemp(join(tmpdir(), "meridian-catalog-"));
  const runDirectory = join(directory, "run");
  const bootTokenFile = join(directory, "boot-token");
  const configFile = join(directory, "config.json");
  await writeFile(bootTokenFile, BOOT_TOKEN);
  const databaseFile = join(directory, "catalog", "catalog.sqlite");
  await writeFile(
    configFile,
    JSON.stringify({ runDirectory, bootTokenFile, databaseFile, logLevel: "warn" }),
  );
  let child: ChildProcess | undefined;

  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  t.after(async () => {
    await kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  });

  return {
    start: async () => {
      const started = fork(MAIN, ["--config", configFile], {
        execArgv,
        stdio: ["ignore", 2, 2, "ipc"],
      });
      child = started;
      await new Promise<void>((resolve, reject) => {
        started.on("message", (message) => {
          if (JSON.stringify(message) === `{"kind":"ready"}`) resolve();
        });
        started.once("exit", (code, signal) => reject(new Error(`ended: ${code ?? signal}`)));
      });
    },
    kill,
    signal: (signal) => assert.ok(child?.kill(signal)),
    endpoint: async () => {
      const text = await readFile(join(runDirectory, "catalog.json"), "utf8");
      const { urls } = JSON.parse(text) as { urls: { internal: string; admin: string } };
      return urls;
    },
    connect: (limits) => {
      const client = internalClient(BOOT_TOKEN);
      const discovery = runDirectoryDiscovery(runDirectory);
      const catalog = connectCatalog({ discovery, client, clock: systemClock, ...limits });
      t.after(async () => {
        await catalog.close();
        await client.close();
      });
      return catalog;
    },
  };
}
