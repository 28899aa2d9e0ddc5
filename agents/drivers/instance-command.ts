import { dirname, join } from "node:path";
import { BOOTSTRAP_FILE } from "#lib/contracts/function-manifest.ts";
import { INSIDE } from "../core/sandbox/sandbox-view.ts";
import { poolClassOf } from "../core/pool/pool-class.ts";
import type { ForkRequest, ToLauncher } from "../launcher/messages.ts";
import type { InstanceSpec } from "./driver.ts";
import type { Host, Python } from "./probe-host.ts";
import type { Cell } from "./sandbox/open-sandbox.ts";

export const RUNTIMES = join(import.meta.dirname, "../runtimes");
const MEBIBYTE = 1_048_576;
/** Share of a function's memory that V8's old space may fill; the rest is for buffers, stacks and code. */
const HEAP_SHARE = 0.7;
const HEAP_MEGABYTES_MIN = 64;
/** No packages of a user's, no compiled files written, nothing said kept back. */
const PYTHON_FLAGS = ["-s", "-B", "-u"];
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
      /** Present: who is forked is told in its greeting what a process of its own is started with. */
      readonly told?: Pick<InstanceProgram, "environment" | "directory">;
    }
  | Impossible;

/** This machine cannot run it; the sentence is for the function's owner. */
export interface Impossible {
  readonly kind: "impossible";
  readonly reason: string;
}

/** What a version's process is and sees, wherever it comes from. */
export interface InstanceProgram {
  readonly kind: "program";
  readonly program: readonly string[];
  /** What the instance sees of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The folder it begins in. */
  readonly directory: string;
}

/** What an instance is started with beside its version. */
export interface Surroundings {
  readonly host: Host;
  /** Absent: it is a plain process. */
  readonly cell?: Cell | undefined;
  /** What its door adds, whatever the function's own variables say. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly sharedFolders?: readonly SharedFolder[] | undefined;
  /** Absent: instances of Python are not forked. */
  readonly fork?: Pick<ForkRequest, "zygote" | "isRequired"> | undefined;
  /** Where our runners are; absent: where they are on this machine. */
  readonly runtimes?: string;
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

/** What a version's process runs, and the clean environment it sees. */
export function instanceProgram(
  id: string,
  spec: InstanceSpec,
  { host, cell, environment: added = {}, runtimes = RUNTIMES }: Surroundings,
): InstanceProgram | Impossible {
  if (spec.network === "none" && (spec.interface === "http" || spec.runtime === "provided"))
    return { kind: "impossible", reason: NO_PORT };
  const unusable = Object.entries(spec.environment).find(([, value]) => value.includes("\0"));
  if (unusable !== undefined)
    return {
      kind: "impossible",
      reason: `no process can have its variable ${unusable[0]}: there is a NUL in it`,
    };
  const places = placesOf(spec, host, cell, runtimes);
  const program = runtimeProgram(spec, host, places);
  if (typeof program === "string") return { kind: "impossible", reason: program };
  const environment = { ...environmentOf(id, spec, places), ...added };
  return { kind: "program", program, environment, directory: places.task };
}

/** How a process of its own is started for a version, in a sandbox where it has one. */
export function instanceCommand(
  id: string,
  spec: InstanceSpec,
  surroundings: Surroundings,
): InstanceCommand {
  const of = instanceProgram(id, spec, surroundings);
  if (of.kind === "impossible") return of;
  const { program, environment, directory } = of;
  const { host, cell } = surroundings;
  const memoryBytesMax = (spec.memoryMegabytes + RUNTIME_MEGABYTES) * MEBIBYTE;
  if (cell === undefined) {
    const [first, ...rest] = [...host.endWithLauncher, ...program];
    const command = [first ?? "", ...rest] as const;
    return { kind: "command", start: { command, environment, directory, memoryBytesMax } };
  }
  const sharedFolders = (surroundings.sharedFolders ?? [])
    .filter(({ functions }) => spec.functionName.startsWith(functions))
    .map(({ path }) => path);
  const isPython = spec.runtime === "python" && host.python.kind === "found";
  const start = cell.command({
    id,
    runtimeDirectory: join(RUNTIMES, spec.runtime === "python" ? "python" : "node"),
    taskDirectory: spec.codeDirectory,
    languageDirectories: isPython ? host.python.directories : [],
    sharedFolders,
    network: spec.network ?? "outbound",
    memoryBytesMax,
    program,
    environment,
  });
  // What was made before it was known whose it would be shows no folder that only some have.
  const fork = sharedFolders.length === 0 ? forkOf(spec, cell, surroundings) : undefined;
  return {
    kind: "command",
    start: { ...start, environment: {}, directory: "/", memoryBytesMax, ...fork },
    ...(fork === undefined ? {} : { told: { environment, directory } }),
  };
}

/** What an interpreter reads at its start it has read by then, as one has that waits in a pool. */
function forkOf(
  spec: InstanceSpec,
  { user }: Cell,
  { fork }: Surroundings,
): { readonly fork: ForkRequest } | undefined {
  if (fork === undefined || user === undefined || poolClassOf(spec)?.runtime !== "python")
    return undefined;
  const hasOwnNetwork = spec.network === "none";
  return { fork: { ...fork, user, hasOwnNetwork, taskDirectory: spec.codeDirectory } };
}

const placesOf = (
  spec: InstanceSpec,
  host: Host,
  cell: Cell | undefined,
  runtimes: string,
): Places =>
  cell === undefined
    ? { task: spec.codeDirectory, runtime: join(runtimes, spec.runtime), node: host.node }
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
      // A server's own file knows nothing of where packages are, and has the interpreter look for them.
      return spec.interface === "http"
        ? [host.python.path, ...PYTHON_FLAGS, entryOf(spec, places, "runner.py")]
        : pythonProgram(host.python, entryOf(spec, places, "runner.py"));
    case "provided":
      return [join(places.task, BOOTSTRAP_FILE)];
  }
}

/** One of our own files, which is told where packages are. */
export const pythonProgram = (
  { path, packageDirectories }: Extract<Python, { kind: "found" }>,
  file: string,
): readonly string[] => [path, ...PYTHON_FLAGS, "-S", file, ...packageDirectories];

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
