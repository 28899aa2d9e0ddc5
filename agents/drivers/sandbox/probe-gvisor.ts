import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "./find-program.ts";

const run = promisify(execFile);

/** It starts a kernel; on a machine under load that takes its time. */
const PROBE_TIMEOUT_MS = 30_000;
const WORDS_CHARACTERS_MAX = 160;

/** Looks for it once, beside all else; `onKnown` when it is known why instances are not started in it. */
export function lookForGvisor(
  isWanted: boolean,
  configured: string | undefined,
  onKnown: () => void,
): { readonly told: () => string; readonly stop: () => void } {
  if (!isWanted) return { told: () => "instances are plain processes here", stop: () => undefined };
  const stopping = new AbortController();
  let told = "whether gVisor starts here is not known yet";
  void gvisorObstacle(configured, stopping.signal).then((obstacle) => {
    if (stopping.signal.aborted) return;
    told = obstacle;
    onKnown();
  });
  return { told: () => told, stop: () => stopping.abort() };
}

/** Why instances are not started in gVisor here, for an operator; `configured` is the path of another `runsc` than the PATH's. */
async function gvisorObstacle(
  configured: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const program = configured ?? (await findProgram("runsc"));
  if (program === undefined) return "gVisor (runsc) is not installed on this machine";
  const trouble = await tryOut(program, signal).catch(String);
  return trouble === undefined
    ? `gVisor starts here (${program}), and this agent cannot run instances in it yet`
    : `gVisor (${program}) does not start here: ${trouble}`;
}

/** Runs a program in it, with nothing but a folder for its own state; undefined where that works. */
async function tryOut(program: string, signal: AbortSignal): Promise<string | undefined> {
  const state = await mkdtemp(join(tmpdir(), "runsc-"));
  const options = [`--root=${state}`, "--network=none", "--ignore-cgroups"];
  const rootless = process.getuid?.() === 0 ? [] : ["--rootless"];
  try {
    await run(program, [...options, ...rootless, "do", "/bin/true"], {
      timeout: PROBE_TIMEOUT_MS,
      killSignal: "SIGKILL",
      signal,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    });
    return undefined;
  } catch (error) {
    return inItsWords(error);
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}

function inItsWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("killed" in error && error.killed === true)
    return `it did not end within ${PROBE_TIMEOUT_MS / 1_000} s`;
  const said = "stderr" in error && typeof error.stderr === "string" ? error.stderr.trim() : "";
  return (said.split("\n").at(-1) || error.message).slice(-WORDS_CHARACTERS_MAX);
}
