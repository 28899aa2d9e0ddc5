import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { readEndpoints } from "#lib/io/run-directory.ts";
import { findEngine } from "../../test/engines/find-engine.ts";
import { startEtcd } from "../../test/engines/start-etcd.ts";
import { endChild } from "../peers/child-server.ts";
import {
  buildGoEtcd,
  type CatalogPlan,
  type CatalogReading,
  type MeasuredOperation,
} from "../peers/go-etcd.ts";
import { type BenchRow, type Reading, toRows } from "../rows.ts";
import type { RoundOptions } from "../run-rounds.ts";
import type { ScenarioResult } from "./hello.ts";

const PROCESS = join(import.meta.dirname, "catalog-process.ts");
const CATALOG = join(import.meta.dirname, "../../catalog/main.ts");
const KEY_PREFIX = "bench/";
const BOOT_TOKEN = "a boot token of the bench";
/** An answer of a thousand records is work enough for several at once. */
const RANGES_AT_ONCE = 4;
const OPERATIONS: readonly MeasuredOperation[] = ["put", "compare-and-set", "range", "watch"];

interface Client {
  readonly name: string;
  readonly store: Pick<CatalogPlan, "endpoint" | "bootToken">;
  readonly measure: (plan: CatalogPlan) => Promise<CatalogReading>;
}

/**
 * The etcd driver beside etcd's own Go client on one etcd that syncs to disk, and the embedded catalog beside both. Each reading is
 * taken by a process of its own, which counts its own CPU.
 */
export async function benchCatalog(options: RoundOptions): Promise<ScenarioResult> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-bench-catalog-"));
  const missingPeers: { peer: string; reason: string }[] = [];
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const clients = await startClients(folder, options, stops, missingPeers);
    for (const { store } of clients) await runProcess(planOf("fill", store, options));
    const readings = new Map<string, Reading[]>();
    for (let round = 1; round <= options.rounds; round += 1)
      for (const operation of OPERATIONS)
        for (const client of clients) {
          const name = `${client.name}: ${operation}`;
          options.tell(`round ${round} of ${options.rounds}: ${name}`);
          const reading = await measure(client, planOf(operation, client.store, options));
          readings.set(name, [...(readings.get(name) ?? []), reading]);
        }
    const rows = OPERATIONS.flatMap((operation): BenchRow[] => {
      const names = clients.map(({ name }) => `${name}: ${operation}`);
      const variants = names.map((variant) => ({
        variant,
        cpuOf: "client",
        readings: readings.get(variant) ?? [],
      }));
      return toRows(variants, new Set(names));
    });
    return { rows, missingPeers };
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

async function startClients(
  folder: string,
  { tell }: RoundOptions,
  stops: (() => Promise<void>)[],
  missingPeers: { peer: string; reason: string }[],
): Promise<readonly Client[]> {
  tell("starting the embedded catalog");
  const embedded = await startEmbedded(folder);
  stops.push(embedded.stop);
  const clients: Client[] = [
    {
      name: "embedded",
      store: { endpoint: embedded.endpoint, bootToken: BOOT_TOKEN },
      measure: runProcess,
    },
  ];
  const engine = await findEngine("etcd");
  if (engine.kind === "missing") {
    missingPeers.push({ peer: "etcd", reason: engine.reason });
    return clients;
  }
  tell("starting etcd and building its Go client");
  const etcd = await startEtcd(engine.path, ["--unsafe-no-fsync=false"]);
  stops.push(etcd.stop);
  const store = { endpoint: etcd.endpoint };
  const go = await buildGoEtcd(folder);
  if (go.kind === "missing") missingPeers.push({ peer: "go client", reason: go.reason });
  else clients.unshift({ name: "go client", store, measure: go.measure });
  return [{ name: "etcd driver", store, measure: runProcess }, ...clients];
}

const planOf = (
  operation: CatalogPlan["operation"],
  store: Client["store"],
  { secondsPerRound, connections }: RoundOptions,
): CatalogPlan => ({
  ...store,
  operation,
  keyPrefix: KEY_PREFIX,
  seconds: secondsPerRound,
  concurrency: operation === "range" ? RANGES_AT_ONCE : connections,
});

/** Watches hear what one steady writer writes meanwhile, the same one for every client of a store. */
async function measure(client: Client, plan: CatalogPlan): Promise<Reading> {
  const writer = plan.operation === "watch" ? await stampBeside(plan) : undefined;
  try {
    const { operations, elapsedSeconds, cpuMicros, ...rest } = await client.measure(plan);
    if (operations === 0) throw new Error(`${client.name} made no ${plan.operation}`);
    return {
      requestsPerSecond: operations / elapsedSeconds,
      cpuMicrosPerRequest: cpuMicros / operations,
      ...rest,
    };
  } finally {
    if (writer !== undefined) await endChild(writer);
  }
}

async function stampBeside(plan: CatalogPlan): Promise<ChildProcess> {
  const argv = [PROCESS, JSON.stringify({ ...plan, operation: "stamp" })];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  // It says when it writes.
  await once(child.stdout, "data");
  return child;
}

async function runProcess(plan: CatalogPlan): Promise<CatalogReading> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [PROCESS, JSON.stringify(plan)]);
  // The process is our own and prints a reading.
  return JSON.parse(stdout) as CatalogReading;
}

async function startEmbedded(
  folder: string,
): Promise<{ readonly endpoint: string; readonly stop: () => Promise<void> }> {
  const [runDirectory, bootTokenFile] = [join(folder, "run"), join(folder, "boot-token")];
  const databaseFile = join(folder, "catalog.sqlite");
  const configFile = join(folder, "config.json");
  await writeFile(bootTokenFile, BOOT_TOKEN);
  await writeFile(
    configFile,
    JSON.stringify({ runDirectory, bootTokenFile, databaseFile, logLevel: "warn" }),
  );
  const child = fork(CATALOG, ["--config", configFile], { stdio: ["ignore", 2, 2, "ipc"] });
  try {
    await new Promise<void>((resolve, reject) => {
      // Beats come too.
      child.on("message", (message) => {
        if (JSON.stringify(message) === `{"kind":"ready"}`) resolve();
      });
      child.once("exit", (code) => reject(new Error(`the catalog ended with ${code}`)));
    });
    const [published] = await readEndpoints(runDirectory);
    const endpoint = published?.urls.internal;
    if (endpoint === undefined) throw new Error("the catalog published no address");
    return { endpoint, stop: () => endChild(child) };
  } catch (error) {
    await endChild(child);
    throw error;
  }
}
