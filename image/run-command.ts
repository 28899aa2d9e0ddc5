import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

const COMMAND_TIMEOUT_MS = 300_000;

/** Runs a program of the system to its end and gives what it printed; what it said instead is in the failure. */
export async function runCommand(
  program: string,
  argv: readonly string[],
  input = "",
): Promise<string> {
  const child = spawn(program, argv, {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: COMMAND_TIMEOUT_MS,
    killSignal: "SIGKILL",
    env: systemEnvironment(),
  });
  // One that ends without reading is judged by its exit code.
  child.stdin.on("error", () => undefined).end(input);
  const [printed, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  if (code === 0) return printed;
  throw new Error(`${program} ${argv.join(" ")} ended with ${code}: ${said.trim().slice(-2_000)}`);
}

/** With the programs that are not in the PATH of everybody: those that make networks and containers. */
export const systemEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: SYSTEM_PATH.join(":"),
});

export const SYSTEM_PATH: readonly string[] = [
  ...(process.env["PATH"] ?? "").split(":"),
  "/usr/sbin",
  "/sbin",
];

/** For what may be gone already. */
export async function tryCommand(program: string, argv: readonly string[]): Promise<boolean> {
  return runCommand(program, argv).then(
    () => true,
    () => false,
  );
}
