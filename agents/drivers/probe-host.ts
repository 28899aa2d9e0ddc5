import { execFile } from "node:child_process";
import { isAbsolute } from "node:path";
import { promisify } from "node:util";
import type { Runtime } from "#lib/contracts/function-manifest.ts";

const run = promisify(execFile);
/** A machine under load may take seconds to start a program. */
const PROBE_TIMEOUT_MS = 30_000;
const SETPRIV_OPTIONS = ["--pdeathsig", "SIGKILL", "--no-new-privs"];

/** What this machine offers for running an instance. */
export interface Host {
  readonly node: string;
  readonly python: Python;
  /**
   * Put before each command: the kernel then ends an instance together with the launcher. Its program is an absolute path, so
   * that the PATH of a function's environment does not choose it.
   */
  readonly endWithLauncher: readonly string[];
}

export type Python =
  | {
      readonly kind: "found";
      readonly path: string;
      /** What the interpreter loads itself from, outside of the system's own folders. */
      readonly directories: readonly string[];
      /** Where packages of this machine are: found once here, and not anew by each instance, which takes longer than all else it does. */
      readonly packageDirectories: readonly string[];
    }
  | { readonly kind: "missing"; readonly reason: string };

/** Asks the machine once, and about Python only for its first function: a version manager's answer takes a while. */
export function hostProbe(): (runtime: Runtime) => Promise<Host> {
  const endWithLauncher = findEndWithLauncher();
  let python: Promise<Python> | undefined;
  const askPython = async (): Promise<Python> => {
    try {
      return await (python ??= findPython());
    } catch (error) {
      // No answer in time says nothing for the next time.
      python = undefined;
      throw error;
    }
  };
  return async (runtime) => ({
    node: process.execPath,
    endWithLauncher: await endWithLauncher,
    python: runtime === "python" ? await askPython() : NOT_ASKED,
  });
}

const NOT_ASKED: Python = { kind: "missing", reason: "python3 was not looked for" };

/** The interpreter itself: a version manager's shim in front of it would cost more than the whole start. */
async function findPython(): Promise<Python> {
  const script =
    "import site, sys; print(sys.version_info >= (3, 8), sys.version.split()[0], sys.executable, sys.base_prefix, sys.prefix, *site.getsitepackages(), sep='\\n')";
  try {
    const { stdout } = await run("python3", ["-c", script], { timeout: PROBE_TIMEOUT_MS });
    const [isNewEnough, version, path = "", base = "", own = "", ...packageDirectories] = stdout
      .trim()
      .split("\n");
    const directories = [...new Set([base, own])].filter((prefix) => !isOfSystem(prefix));
    if (isNewEnough === "True") return { kind: "found", path, directories, packageDirectories };
    return { kind: "missing", reason: `python3 is ${version} here; 3.8 or newer is needed` };
  } catch (error) {
    if (error instanceof Error && "killed" in error && error.killed === true)
      throw new Error("python3 did not say its version in time", { cause: error });
    return {
      kind: "missing",
      reason: "python3 was not found on this machine; install Python 3.8 or newer",
    };
  }
}

/** Each instance has these anyway; and nobody means all of the machine by a prefix. */
const isOfSystem = (prefix: string): boolean => prefix === "/" || /^\/usr(\/|$)/.test(prefix);

async function findEndWithLauncher(): Promise<readonly string[]> {
  const limits = { timeout: PROBE_TIMEOUT_MS };
  try {
    const { stdout } = await run("/bin/sh", ["-c", "command -v setpriv"], limits);
    const program = stdout.trim();
    if (!isAbsolute(program)) return [];
    await run(program, [...SETPRIV_OPTIONS, "true"], limits);
    return [program, ...SETPRIV_OPTIONS];
  } catch {
    return [];
  }
}
