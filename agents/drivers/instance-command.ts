import { dirname, join } from "node:path";
import { BOOTSTRAP_FILE } from "#lib/contracts/function-manifest.ts";
import { INSIDE } from "../core/sandbox/sandbox-command.ts";
import type { ToLauncher } from "../launcher/messages.ts";
import type { InstanceSpec } from "./driver.ts";
import type { Host } from "./probe-host.ts";
import type { Cell } from "./sandbox/open-sandbox.ts";

export const RUNTIMES = join(import.meta.dirname, "../runtimes");
const MEBIBYTE = 1_048_576;
/** Share of a function's memory that V8's old space may fill; the rest is for buffers, stacks and code. */
const HEAP_SHARE = 0.7;
const HEAP_MEGABYTES_MIN = 64;
/** What the runtime itself needs and the function does not pay for. */
const RUNTIME_MEGABYTES = 48;

const NO_PORT =
  'a function with the network "none" is reached over no port: use a handler of Node or Python, or the network "outbound"';

type StartMessage = Extract<ToLauncher, { kind: "start" }>;

export type InstanceCommand =
  | {
      readonly kind: "command";
      /** The part of the launcher's message that says what is run. */
      readonly start: Omit<StartMessage, "kind" | "instance" | "greeting" | "note">;
      /** What the instance sees of its environment. */
      readonly environment: Readonly<Record<string, string>>;
      /** The folder it begins in. */
      readonly directory: string;
    }
  /** This machine cannot run it; the sentence is for the function's owner. */
  | { readonly kind: "impossible"; readonly reason: string };

/** What an instance is started with beside its version. */
export interface Surroundings {
  readonly host: Host;
  /** Absent: it is a plain process. */
  readonly cell?: Cell | undefined;
  /** What its door adds, whatever the function's own variables say. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly sharedFolders?: readonly SharedFolder[] | undefined;
}

/** A folder of this machine that some functions see, and may write to. */
export interface SharedFolder {
  readonly path: string;
  /** What their names begin with. */
  readonly functions: string;
}

/** Where an instance finds what it runs: the machine's own paths, or those of its sandbox. */
interface Places {
  readonly task: string;
  readonly runtime: string;
  readonly node: string;
}

/** How a version's process is started: what it runs and the clean environment it sees. */
export function instanceCommand(
  id: string,
  spec: InstanceSpec,
  { host, cell, environment: added = {}, sharedFolders = [] }: Surroundings,
): InstanceCommand {
  if (spec.network === "none" && (spec.interface === "http" || spec.runtime === "provided"))
    return { kind: "impossible", reason: NO_PORT };
  const unusable = Object.entries(spec.environment).find(([, value]) => value.includes("\0"));
  if (unusable !== undefined)
    return {
      kind: "impossible",
      reason: `no process can have its variable ${unusable[0]}: there is a NUL in it`,
    };
  const places = placesOf(spec, host, cell);
  const program = runtimeProgram(spec, host, places);
  if (typeof program === "string") return { kind: "impossible", reason: program };
  const environment = { ...environmentOf(id, spec, places), ...added };
  const memoryBytesMax = (spec.memoryMegabytes + RUNTIME_MEGABYTES) * MEBIBYTE;
  if (cell === undefined) {
    const [first, ...rest] = [...host.endWithLauncher, ...program];
    const command = [first ?? "", ...rest] as const;
    const directory = spec.codeDirectory;
    const start = { command, environment, directory, memoryBytesMax };
    return { kind: "command", start, environment, directory };
  }
  const isPython = spec.runtime === "python" && host.python.kind === "found";
  const start = cell.command({
    id,
    runtimeDirectory: join(RUNTIMES, spec.runtime === "python" ? "python" : "node"),
    taskDirectory: spec.codeDirectory,
    languageDirectories: isPython ? host.python.directories : [],
    sharedFolders: sharedFolders
      .filter(({ functions }) => spec.functionName.startsWith(functions))
      .map(({ path }) => path),
    network: spec.network ?? "outbound",
    memoryBytesMax,
    program,
    environment,
  });
  return {
    kind: "command",
    start: { ...start, environment: {}, directory: "/", memoryBytesMax },
    environment,
    directory: places.task,
  };
}

const placesOf = (spec: InstanceSpec, host: Host, cell: Cell | undefined): Places =>
  cell === undefined
    ? { task: spec.codeDirectory, runtime: join(RUNTIMES, spec.runtime), node: host.node }
    : INSIDE;

function runtimeProgram(
  spec: InstanceSpec,
  host: Host,
  places: Places,
): readonly string[] | string {
  switch (spec.runtime) {
    case "node": {
      const heap = Math.max(HEAP_MEGABYTES_MIN, Math.floor(spec.memoryMegabytes * HEAP_SHARE));
      return [places.node, `--max-old-space-size=${heap}`, entryOf(spec, places, "runner.mjs")];
    }
    case "python":
      if (host.python.kind === "missing") return host.python.reason;
      return [
        host.python.path,
        "-s",
        "-B",
        "-u",
        // Our runner is told where packages are; a server's own file knows nothing of that.
        ...(spec.interface === "http"
          ? [entryOf(spec, places, "runner.py")]
          : ["-S", entryOf(spec, places, "runner.py"), ...host.python.packageDirectories]),
      ];
    case "provided":
      return [join(places.task, BOOTSTRAP_FILE)];
  }
}

/** The file that is run: a server's own, or our runner, which loads the handler. */
const entryOf = ({ interface: kind, handler }: InstanceSpec, places: Places, runner: string) =>
  kind === "http" ? join(places.task, handler) : join(places.runtime, runner);

/** The names are those of AWS Lambda, so that code and libraries that look for them find them. */
function environmentOf(
  id: string,
  spec: InstanceSpec,
  places: Places,
): Readonly<Record<string, string>> {
  return {
    PATH: `${dirname(places.node)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: "/tmp",
    LANG: "C.UTF-8",
    TZ: "UTC",
    ...spec.environment,
    _HANDLER: spec.handler,
    LAMBDA_TASK_ROOT: places.task,
    LAMBDA_RUNTIME_DIR: spec.runtime === "provided" ? places.task : places.runtime,
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
