import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { lstat, readlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { assembleFilter } from "../../core/sandbox/assemble-filter.ts";
import { doorAddress, type UserRange } from "../../core/sandbox/instance-network.ts";
import type { ResourceGroup } from "../../core/sandbox/resource-groups.ts";
import {
  type Inmate,
  PROGRAM_ENTRIES,
  type SandboxBase,
  type SandboxCommand,
  sandboxCommand,
  type SandboxUser,
} from "../../core/sandbox/sandbox-command.ts";
import {
  commonView,
  INSIDE,
  languageView,
  type RootEntry,
  SANDBOX_LIMITS,
  type ViewEntry,
} from "../../core/sandbox/sandbox-view.ts";
import { findProgram } from "./find-program.ts";
import { openResourceGroups } from "./open-resource-groups.ts";
import { userNumbers } from "./user-numbers.ts";

/** A machine under load may take seconds to start a program. */
const PROBE_TIMEOUT_MS = 30_000;
/** Numbers that systemd's list of users calls nobody's, https://systemd.io/UIDS-GIDS/: 4,096 agents of 1,024 instances each. */
const USERS_FROM = 0x7000_0000;
const USERS_COUNT = 1_024;
const AGENTS_MAX = 4_096;
/** In a user namespace of its own, where numbers are its own too. */
const MAPPED_USER = 1_000;
const REASON_CHARACTERS_MAX = 200;

export interface SandboxOptions {
  readonly stateDirectory: string;
  /** The folder with the agent's socket for instances and nothing else. */
  readonly agentDirectory: string;
  /** A runtime's folder, to try whether instances would read it. */
  readonly runtimeDirectory: string;
  /** The first number of the users that instances run as; absent: one that nobody has. */
  readonly usersFrom?: number | undefined;
}

/** What an instance brings into its sandbox; paths of its program as they are inside. */
export interface Occupant extends Omit<Inmate, "user" | "groupDirectories"> {
  readonly id: string;
  readonly memoryBytesMax: number;
}

/** What a process that forks instances makes sandboxes of; it is the same for all of them. */
export interface CommonSandbox {
  readonly entries: readonly ViewEntry[];
  readonly limits: typeof SANDBOX_LIMITS;
  /** The filter of system calls, in base64. */
  readonly filter: string;
}

/** The sandbox of one instance. */
export interface Cell {
  readonly command: (
    occupant: Occupant,
  ) => SandboxCommand & { readonly groups: readonly ResourceGroup[] };
  /** Its user on this machine; undefined where all instances have the agent's. */
  readonly user: number | undefined;
  /** Of 127.0.0.0/8, for what only this instance may connect to; undefined where all share one. */
  readonly loopbackAddress: string | undefined;
  /** The instance is gone. */
  readonly leave: () => void;
}

export interface Sandbox {
  readonly openCell: () => Cell;
  /** The users that instances have; undefined: the agent's own. */
  readonly users: UserRange | undefined;
  readonly common: (
    runtimeDirectory: string,
    languageDirectories: readonly string[],
  ) => CommonSandbox;
  /** Sentences on what is weaker than it sounds. */
  readonly notes: readonly string[];
  /** Removes what instances left with the kernel. */
  readonly close: () => Promise<void>;
}

export type OpenedSandbox =
  | ({ readonly kind: "sandbox" } & Sandbox)
  /** The sentence is for an operator. */
  | { readonly kind: "none"; readonly reason: string };

/** Finds out how this machine runs sandboxes, by running one. */
export async function openSandbox(options: SandboxOptions): Promise<OpenedSandbox> {
  if (process.arch !== "x64" && process.arch !== "arm64")
    return { kind: "none", reason: `there is no filter of system calls for ${process.arch}` };
  const [bwrap, setpriv] = await Promise.all([findProgram("bwrap"), findProgram("setpriv")]);
  if (bwrap === undefined)
    return { kind: "none", reason: "bubblewrap (bwrap) is not installed on this machine" };
  const isRoot = process.getuid?.() === 0;
  if (isRoot && setpriv === undefined)
    return { kind: "none", reason: "setpriv, of util-linux, is not installed on this machine" };

  const filterFile = join(resolve(options.stateDirectory), "system-calls.bpf");
  const filter = assembleFilter(process.arch);
  await writeFile(filterFile, filter, { mode: 0o600 });
  const base: SandboxBase = {
    bwrap,
    filterFile,
    rootEntries: await findRootEntries(),
    node: process.execPath,
    agentDirectory: resolve(options.agentDirectory),
  };
  const mark = markOf(options.stateDirectory);
  const groups = await openResourceGroups(`meridian-${mark.slice(0, 12)}`);
  const users = isRoot && setpriv !== undefined ? usersOf(mark, options.usersFrom) : undefined;
  const numbers = userNumbers(users ?? { from: MAPPED_USER, count: 1 });
  const userOf = (user: number): SandboxUser =>
    users === undefined || setpriv === undefined
      ? { kind: "mapped", user }
      : { kind: "own", setpriv, user };
  const openCell = (): Cell => {
    const user = numbers.take();
    return {
      command: (occupant) => {
        const own = groups.of(occupant.id, occupant.memoryBytesMax);
        const groupDirectories = own.map(({ directory }) => directory);
        const inmate = { ...occupant, user: userOf(user), groupDirectories };
        return { ...sandboxCommand(base, inmate), groups: own };
      },
      user: users === undefined ? undefined : user,
      loopbackAddress: users === undefined ? undefined : doorAddress(user),
      leave: () => numbers.giveBack(user),
    };
  };

  const trouble = await tryOut(
    sandboxCommand(base, {
      user: userOf(numbers.first),
      taskDirectory: options.runtimeDirectory,
      runtimeDirectory: options.runtimeDirectory,
      languageDirectories: [],
      sharedFolders: [],
      network: "none",
      groupDirectories: [],
      program: [
        "/bin/sh",
        "-c",
        `${INSIDE.node} --version && test -r ${INSIDE.runtime}/runner.mjs`,
      ],
      environment: {},
    }),
  );
  if (trouble !== undefined)
    return { kind: "none", reason: `bubblewrap does not start here: ${trouble}` };
  const notes = groups.reason === undefined ? [] : [groups.reason];
  return {
    kind: "sandbox",
    openCell,
    users,
    common: (runtimeDirectory, languageDirectories) => ({
      entries: [...commonView(base, runtimeDirectory), ...languageView(languageDirectories)],
      limits: SANDBOX_LIMITS,
      filter: Buffer.from(filter).toString("base64"),
    }),
    notes,
    close: groups.close,
  };
}

/** One for each state folder, so that two agents on one machine leave each other alone. */
const markOf = (stateDirectory: string): string =>
  createHash("sha256").update(resolve(stateDirectory)).digest("hex");

function usersOf(mark: string, usersFrom = USERS_FROM): UserRange {
  const agent = Number.parseInt(mark.slice(0, 8), 16) % AGENTS_MAX;
  return { from: usersFrom + agent * USERS_COUNT, count: USERS_COUNT };
}

/** Names, certificates and time zones; nothing that says more of this machine. */
const CONFIGURATION_ENTRIES = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/fonts",
  "/etc/gai.conf",
  "/etc/hosts",
  "/etc/ld.so.cache",
  "/etc/localtime",
  "/etc/mime.types",
  "/etc/nsswitch.conf",
  "/etc/pki",
  "/etc/protocols",
  "/etc/resolv.conf",
  "/etc/services",
  "/etc/ssl",
];

async function findRootEntries(): Promise<readonly RootEntry[]> {
  const found: RootEntry[] = [];
  for (const path of PROGRAM_ENTRIES) {
    const state = await lstat(path).catch(() => undefined);
    if (state?.isSymbolicLink() === true)
      found.push({ kind: "link", target: await readlink(path), path });
    else if (state !== undefined) found.push({ kind: "shown", path });
  }
  for (const path of CONFIGURATION_ENTRIES)
    if ((await lstat(path).catch(() => undefined)) !== undefined)
      found.push({ kind: "shown", path });
  return found;
}

/** Undefined where it runs; else why not. */
async function tryOut({ command, descriptors }: SandboxCommand): Promise<string | undefined> {
  const [program, ...rest] = command;
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe", ...descriptors.map(() => "pipe" as const)],
    env: {},
    timeout: PROBE_TIMEOUT_MS,
  });
  for (const [index, given] of descriptors.entries()) {
    const pipe = child.stdio[3 + index];
    if (pipe === null || pipe === undefined || !("end" in pipe)) continue;
    pipe.on("error", () => undefined);
    pipe.end(given);
  }
  const { stderr } = child;
  if (stderr === null) return "it has no output";
  child.stdout?.resume();
  try {
    const [said, [code, signal]] = await Promise.all([text(stderr), once(child, "close")]);
    if (code === 0) return undefined;
    return said.trim().slice(0, REASON_CHARACTERS_MAX) || `it ended with ${code ?? signal}`;
  } catch (error) {
    return String(error);
  }
}
