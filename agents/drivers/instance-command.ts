import { dirname, join } from "node:path";
import { BOOTSTRAP_FILE } from "#lib/contracts/function-manifest.ts";
import type { InstanceSpec } from "./driver.ts";
import type { Host } from "./probe-host.ts";

const RUNTIMES = join(import.meta.dirname, "../runtimes");
const MEBIBYTE = 1_048_576;
/** Share of a function's memory that V8's old space may fill; the rest is for buffers, stacks and code. */
const HEAP_SHARE = 0.7;
const HEAP_MEGABYTES_MIN = 64;
/** What the runtime itself needs and the function does not pay for. */
const RUNTIME_MEGABYTES = 48;

export type InstanceCommand =
  | {
      readonly kind: "command";
      readonly command: readonly [string, ...string[]];
      readonly environment: Readonly<Record<string, string>>;
      readonly memoryBytesMax: number;
    }
  /** This machine cannot run it; the sentence is for the function's owner. */
  | { readonly kind: "impossible"; readonly reason: string };

/** How a version's process is started: what it runs and the clean environment it sees. */
export function instanceCommand(id: string, spec: InstanceSpec, host: Host): InstanceCommand {
  const program = runtimeProgram(spec, host);
  if (typeof program === "string") return { kind: "impossible", reason: program };
  const [first, ...rest] = [...host.sandbox, ...program];
  return {
    kind: "command",
    command: [first ?? "", ...rest],
    environment: environmentOf(id, spec, host),
    memoryBytesMax: (spec.memoryMegabytes + RUNTIME_MEGABYTES) * MEBIBYTE,
  };
}

function runtimeProgram(spec: InstanceSpec, host: Host): readonly string[] | string {
  switch (spec.runtime) {
    case "node": {
      const heap = Math.max(HEAP_MEGABYTES_MIN, Math.floor(spec.memoryMegabytes * HEAP_SHARE));
      return [host.node, `--max-old-space-size=${heap}`, entryOf(spec, "node/runner.mjs")];
    }
    case "python":
      if (host.python.kind === "missing") return host.python.reason;
      return [host.python.path, "-s", "-B", "-u", entryOf(spec, "python/runner.py")];
    case "provided":
      return [join(spec.codeDirectory, BOOTSTRAP_FILE)];
  }
}

/** The file that is run: a server's own, or our runner, which loads the handler. */
const entryOf = ({ interface: kind, codeDirectory, handler }: InstanceSpec, runner: string) =>
  kind === "http" ? join(codeDirectory, handler) : join(RUNTIMES, runner);

/** The names are those of AWS Lambda, so that code and libraries that look for them find them. */
function environmentOf(
  id: string,
  spec: InstanceSpec,
  host: Host,
): Readonly<Record<string, string>> {
  return {
    PATH: `${dirname(host.node)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: "/tmp",
    LANG: "C.UTF-8",
    TZ: "UTC",
    ...spec.environment,
    _HANDLER: spec.handler,
    LAMBDA_TASK_ROOT: spec.codeDirectory,
    LAMBDA_RUNTIME_DIR:
      spec.runtime === "provided" ? spec.codeDirectory : join(RUNTIMES, spec.runtime),
    AWS_LAMBDA_FUNCTION_NAME: spec.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: String(spec.version),
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(spec.memoryMegabytes),
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_LOG_GROUP_NAME: `/meridian/${spec.tenant}/${spec.functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: id,
    // Tells AWS's own clients to ask for several calls at once; its absence, that one at a time comes.
    ...(spec.concurrency > 1 ? { AWS_LAMBDA_MAX_CONCURRENCY: String(spec.concurrency) } : {}),
  };
}
