import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPOSITORY } from "./federation.ts";

const run = promisify(execFile);
const SOURCE = join(REPOSITORY, "test/system/functions/greeter-go");
const BUILD_TIMEOUT_MS = 240_000;

export type Build =
  | { readonly kind: "built" }
  /** Nobody here could build it; the reason says which command would change that. */
  | { readonly kind: "missing"; readonly reason: string };

/** Compiles the function that is written in Go. A mistake in it is thrown; a machine without Go or its module is not. */
export async function buildGreeter(program: string): Promise<Build> {
  const options = { cwd: SOURCE, timeout: BUILD_TIMEOUT_MS, env: buildEnvironment() };
  try {
    await run("go", ["version"], options);
  } catch {
    return {
      kind: "missing",
      reason: "Go is not installed: `apt install golang-go`, or go.dev/dl",
    };
  }
  try {
    await run("go", ["mod", "download"], options);
  } catch {
    const reason = `AWS's module for Go could not be fetched: \`cd ${SOURCE} && go mod download\` would`;
    return { kind: "missing", reason };
  }
  const flags = ["-trimpath", "-mod=readonly", "-ldflags=-s -w", "-o", program];
  await run("go", ["build", ...flags, "."], options);
  return { kind: "built" };
}

const buildEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  CGO_ENABLED: "0",
  GOOS: "linux",
});
