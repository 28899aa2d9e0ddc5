import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Value } from "typebox/value";
import { ProcessRegister } from "#lib/contracts/supervision.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { ProgramPlan } from "../core/plan-programs.ts";
import { isStillRunning, signalProcess } from "#lib/io/process-identity.ts";

const LEFTOVERS_GONE_LIMIT_MS = 3_000;

/** What a killed `up` may leave behind is found through this. */
export const registerFile = (runDirectory: string): string => join(runDirectory, "processes.json");

/** Ends what an `up` that was killed left running here, and says how many there were. */
export async function endLeftovers(runDirectory: string): Promise<number> {
  const register = await readRegister(runDirectory);
  const killed = register.filter((identity) => signalProcess(identity, "SIGKILL"));
  const deadlineMs = systemClock.nowMs() + LEFTOVERS_GONE_LIMIT_MS;
  while (killed.some(isStillRunning) && systemClock.nowMs() < deadlineMs)
    await systemClock.sleep(10);
  return killed.length;
}

async function readRegister(runDirectory: string): Promise<ProcessRegister> {
  const file = registerFile(runDirectory);
  if (!existsSync(file)) return [];
  try {
    const document: unknown = JSON.parse(await readFile(file, "utf8"));
    return Value.Check(ProcessRegister, document) ? document : [];
  } catch {
    return [];
  }
}

/** The state folder as the programs expect it: a new boot token, their configurations, nobody's old addresses. */
export async function prepareRun(
  runDirectory: string,
  plans: readonly ProgramPlan[],
): Promise<void> {
  await clearRun(runDirectory);
  const folders = new Set(plans.flatMap(foldersOf));
  await Promise.all([...folders].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })));
  await writeAtomically(join(runDirectory, "boot-token"), randomBytes(32).toString("base64url"));
  await Promise.all(plans.map((plan) => writeFile(plan.configFile, configText(plan), ONLY_OURS)));
}

const ONLY_OURS = { mode: 0o600 } as const;
const configText = ({ config }: ProgramPlan): string => `${JSON.stringify(config, undefined, 2)}\n`;

/** A program is about to start again: its configuration is put back where somebody deleted it, or a full disk took half of it. */
export function restoreConfig(plan: ProgramPlan): void {
  const text = configText(plan);
  try {
    if (existsSync(plan.configFile) && readFileSync(plan.configFile, "utf8") === text) return;
    writeFileSync(plan.configFile, text, ONLY_OURS);
  } catch {
    // Then the program says that it has none, and is started again later.
  }
}

/** Removes addresses, configurations, socket and token of a run that is over. */
export async function clearRun(runDirectory: string): Promise<void> {
  const names = await readdir(runDirectory).catch(() => []);
  await Promise.all(
    names.map((name) => rm(join(runDirectory, name), { force: true, recursive: true })),
  );
}

function foldersOf({ config, logFile, configFile }: ProgramPlan): string[] {
  const named = ["stateDirectory", "codeDirectory"].flatMap((key) => {
    const folder = config[key];
    return typeof folder === "string" ? [folder] : [];
  });
  const { databaseFile } = config;
  const database = typeof databaseFile === "string" ? [dirname(databaseFile)] : [];
  return [dirname(logFile), dirname(configFile), ...named, ...database];
}
