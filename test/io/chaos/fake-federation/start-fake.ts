import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export const FAKE_UP = [process.execPath, join(import.meta.dirname, "up.ts")];
const WAIT_LIMIT_MS = 20_000;

export interface FakeFederation {
  readonly stateDirectory: string;
  readonly up: ChildProcess;
  /** Processes of the zone, as the federation tells. */
  readonly pidsOf: (zone: string) => readonly number[];
  /** Names of the functions that are deployed. */
  readonly functions: () => readonly string[];
  readonly stop: () => Promise<void>;
}

/** A fake federation that runs on a state folder of its own. */
export async function startFake(): Promise<FakeFederation> {
  const stateDirectory = mkdtempSync(join(tmpdir(), "meridian-test-state-"));
  const port = 31_000 + Math.floor(Math.random() * 1_000);
  const [program = "", ...words] = FAKE_UP;
  const up = spawn(program, [...words, "--state", stateDirectory, "--port", String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await waitFor("the fake federation", () => existsSync(join(stateDirectory, "run", "up.json")));
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(join(stateDirectory, name), "utf8"));
  return {
    stateDirectory,
    up,
    pidsOf: (zone) => {
      const { zones } = read("credentials.json") as {
        zones: Record<string, { pids: number[] }>;
      };
      return zones[zone]?.pids ?? [];
    },
    functions: () =>
      existsSync(join(stateDirectory, "functions.json"))
        ? Object.keys(read("functions.json") as object)
        : [],
    stop: async () => {
      if (up.exitCode !== null || up.signalCode !== null) return;
      up.kill("SIGTERM");
      await waitFor("its end", () => up.exitCode !== null || up.signalCode !== null);
    },
  };
}

/** Looks until it is so; what never comes fails the test with its name. */
export async function waitFor(what: string, isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + WAIT_LIMIT_MS;
  while (!isSo()) {
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come`);
    await delay(20);
  }
}
