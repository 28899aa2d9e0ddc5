import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import type { InstanceSpec } from "../../agents/drivers/driver.ts";
import { createProcessDriver } from "../../agents/drivers/process.ts";
import { type FigureReading, type FigureResult, toFigures } from "../figures.ts";

const STARTS = 50;
/** What a busy agent may have: forking copies its page tables. */
const BALLAST_BYTES = 600 * 1024 * 1024;
const PROBE_MS = 1;

/** How long a large agent's event loop stands still while it has instances started, by its launcher and by itself. */
export async function benchLauncher({
  rounds,
  tell,
}: {
  readonly rounds: number;
  readonly tell: (what: string) => void;
}): Promise<FigureResult> {
  const ballast = Buffer.alloc(BALLAST_BYTES, 1);
  const readings: FigureReading[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    tell(`round ${round} of ${rounds}, with ${ballast.length} bytes more`);
    const own = await measure(startByLauncher);
    const peer = await measure(startHere);
    for (const figure of ["p99", "longest"] as const)
      readings.push({
        figure: `${STARTS} starts: loop delay, ${figure}`,
        unit: "ms",
        value: own[figure],
        peer: peer[figure],
      });
  }
  return { figures: toFigures(readings), peerIs: "the same with spawn in the agent's own process" };
}

/** Turns of the loop that are late, by how much: a histogram of the runtime's own sees nothing of a turn that is long itself. */
async function measure(
  run: (watched: (starts: () => Promise<void>) => Promise<void>) => Promise<void>,
) {
  const delaysMs: number[] = [];
  await run(async (starts) => {
    let lastMs = performance.now();
    const probe = setInterval(() => {
      const nowMs = performance.now();
      delaysMs.push(Math.max(0, nowMs - lastMs - PROBE_MS));
      lastMs = nowMs;
    }, PROBE_MS);
    await starts();
    clearInterval(probe);
  });
  const sorted = delaysMs.toSorted((one, other) => one - other);
  return {
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    longest: sorted.at(-1) ?? 0,
  };
}

async function startByLauncher(
  watched: (starts: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-bench-"));
  await writeFile(join(folder, "index.mjs"), "export const handler = () => 1;\n");
  const driver = await createProcessDriver({
    stateDirectory: folder,
    socketDirectory: folder,
    launcherGraceMs: 1_000,
    sandbox: "off",
    log: pino({ level: "silent" }),
    onPids: () => undefined,
  });
  try {
    // The first has the launcher started too, which is done once and not per instance.
    await driver.start(specIn(folder), () => undefined).started;
    await watched(async () => {
      const starting = Array.from({ length: STARTS }, () =>
        driver.start(specIn(folder), () => undefined),
      );
      await Promise.all(starting.map(({ started }) => started));
    });
  } finally {
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const specIn = (codeDirectory: string): InstanceSpec => ({
  tenant: "bench",
  functionName: "hello",
  version: 1,
  runtime: "node",
  handler: "index.handler",
  codeDirectory,
  memoryMegabytes: 128,
  concurrency: 1,
  environment: {},
  initTimeoutMs: 60_000,
});

/** Each in a turn of its own, as calls would come. */
async function startHere(watched: (starts: () => Promise<void>) => Promise<void>): Promise<void> {
  const program = [process.execPath, "-e", "setTimeout(() => 1, 500)"] as const;
  await watched(async () => {
    const ended: Promise<unknown>[] = [];
    for (let count = 0; count < STARTS; count += 1) {
      const child = spawn(program[0], program.slice(1), { stdio: "ignore" });
      ended.push(new Promise((resolve) => void child.once("exit", resolve)));
      await nextTurn();
    }
    await Promise.all(ended);
  });
}
