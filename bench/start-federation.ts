import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Value } from "typebox/value";
import { Credentials, type RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { endpointFileName, readEndpoints } from "#lib/io/run-directory.ts";
import { freePorts } from "#lib/io/free-ports.ts";

const MERIDIAN = join(import.meta.dirname, "../cli/meridian.ts");
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 40_000;

/** A federation of its own for a bench: as a user starts it, on free ports, its state in a temporary folder. */
export interface BenchFederation {
  /** Its state folder. */
  readonly state: string;
  readonly credentials: Credentials;
  readonly bootToken: string;
  /** Runs `meridian …` against it; rejects with what it printed when it fails. */
  readonly meridian: (...argv: readonly string[]) => Promise<string>;
  readonly endpoint: (zone: string | null, program: RunEndpoint["program"]) => Promise<RunEndpoint>;
  readonly stop: () => Promise<void>;
}

/** With further flags of `meridian up`. */
export async function startFederation(...flags: readonly string[]): Promise<BenchFederation> {
  const state = await mkdtemp(join(tmpdir(), "meridian-bench-"));
  const port = await freePorts(8);
  const up = spawn(
    process.execPath,
    [MERIDIAN, "up", "--state", state, "--port", String(port), "--json", ...flags],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let printed = "";
  up.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));

  const stop = async (): Promise<void> => {
    if (up.exitCode === null && up.signalCode === null) {
      const ended = once(up, "exit");
      up.kill("SIGINT");
      const impatience = setTimeout(() => up.kill("SIGKILL"), STOP_LIMIT_MS);
      await ended;
      clearTimeout(impatience);
    }
    await rm(state, { recursive: true, force: true });
  };

  try {
    const deadlineMs = performance.now() + START_LIMIT_MS;
    while (!isDocument(printed)) {
      if (up.exitCode !== null)
        throw new Error(`meridian up ended with ${up.exitCode}: ${printed}`);
      if (performance.now() > deadlineMs) throw new Error("meridian up is not ready in a minute");
      await delay(50);
    }
    const runDirectory = join(state, "run");
    return {
      state,
      credentials: Value.Parse(
        Credentials,
        JSON.parse(await readFile(join(state, "credentials.json"), "utf8")),
      ),
      bootToken: (await readFile(join(runDirectory, "boot-token"), "utf8")).trim(),
      meridian: async (...argv) => {
        const command = [MERIDIAN, ...argv, "--state", state];
        return (await promisify(execFile)(process.execPath, command, { timeout: 60_000 })).stdout;
      },
      endpoint: async (zone, program) => {
        const endpoints = await readEndpoints(runDirectory);
        const found = endpoints.find((each) => each.zone === zone && each.program === program);
        if (found === undefined) throw new Error(`no ${endpointFileName(program, zone)}`);
        return found;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `up --json` prints one document once everything serves. */
function isDocument(printed: string): boolean {
  try {
    JSON.parse(printed);
    return true;
  } catch {
    return false;
  }
}
