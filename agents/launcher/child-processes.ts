import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { constants } from "node:os";
import { Writable } from "node:stream";
import { identifyProcess } from "#lib/io/process-identity.ts";
import type { ForkRequest, FromLauncher, RunningProcess, ToLauncher } from "./messages.ts";
import type { ResourceGroup } from "../core/sandbox/resource-groups.ts";
import { endMarked, MARK_VARIABLE } from "./end-marked.ts";
import { ownMemoryBytes } from "./own-memory.ts";
import { type ForkDoor, forkDoor } from "./fork-door.ts";
import {
  forkedProcess,
  type InstanceProcess,
  lastWords,
  spawnedProcess,
} from "./instance-process.ts";
import { makeGroups, ranOutOfMemory, removeGroups } from "./resource-groups.ts";
import { type Zygote, zygote } from "./zygote.ts";

const MEMORY_CHECK_MS = 200;
/** A child of an instance that left its process group may hold the pipes; nobody waits longer for their last words. */
const LAST_WORDS_MS = 100;
/** Many instances that end together are swept after together. */
const SWEEP_DELAY_MS = 50;
const OUTPUT_CHARACTERS_MAX = 16_384;
/** How a shell, and a sandbox, tells the signal that ended what it ran. */
const SIGNAL_CODES_FROM = 128;

type StartMessage = Extract<ToLauncher, { kind: "start" }>;
type GreetMessage = Extract<ToLauncher, { kind: "greet" }>;

interface Running {
  readonly process: InstanceProcess;
  told: RunningProcess;
  readonly pid: number;
  readonly memoryBytesMax: number;
  readonly groups: readonly ResourceGroup[];
  /** Not for an agent to take over: it ends by itself. */
  readonly isZygote: boolean;
  isOutOfMemory: boolean;
}

export interface ChildProcesses {
  /** Throws where one of that name runs. */
  readonly start: (message: StartMessage) => void;
  /** Throws where it is gone. */
  readonly greet: (message: GreetMessage) => void;
  readonly running: () => readonly RunningProcess[];
  readonly kill: (instance: string) => void;
  /** Another agent comes: what is still being forked is nothing that it knows of, and zygotes make way for its own. */
  readonly onNewAgent: () => void;
  readonly killAll: () => void;
  /** Ends all of them and everything they started. */
  readonly close: () => Promise<void>;
}

/**
 * All processes of instances: each leads a process group of its own, so that its children go with it; those that left the
 * group are found by the mark in their environment.
 */
export function childProcesses(
  mark: string,
  forkPath: string,
  tell: (message: FromLauncher) => void,
): ChildProcesses {
  const running = new Map<string, Running>();
  const removals = new Set<Promise<void>>();
  let sweep: NodeJS.Timeout | undefined;
  let isSweepWanted = false;
  const endLeftovers = () => endMarked(mark, (instance) => !running.has(instance));
  const sweepSoon = (): void => {
    isSweepWanted = true;
    sweep ??= setTimeout(() => {
      isSweepWanted = false;
      void endLeftovers().finally(() => {
        sweep = undefined;
        if (isSweepWanted) sweepSoon();
      });
    }, SWEEP_DELAY_MS);
  };
  const watching = setInterval(() => {
    for (const entry of running.values()) {
      if (isLimited(entry.groups)) continue;
      if (ownMemoryBytes(entry.pid) <= entry.memoryBytesMax) continue;
      entry.isOutOfMemory = true;
      killGroup(entry.pid);
    }
  }, MEMORY_CHECK_MS);

  const remove = (groups: readonly ResourceGroup[]): void => {
    const removal = removeGroups(groups).finally(() => removals.delete(removal));
    removals.add(removal);
  };
  const zygotes = new Map<string, Zygote>();
  /** Of those that are being forked, whether they are to be ended. */
  const forking = new Map<string, { isUnwanted: boolean }>();
  let door: ForkDoor | undefined;

  const start = (message: StartMessage): void => {
    const { instance, groups = [], fork } = message;
    if (running.has(instance) || forking.has(instance)) throw new Error(`${instance} runs already`);
    try {
      makeGroups(groups);
      const from = fork === undefined ? undefined : zygotes.get(fork.zygote);
      if (fork !== undefined && (from !== undefined || fork.isRequired))
        return startFork(message, fork, from);
      startCommand(message);
    } catch (error) {
      // An environment that no process can have, such as one that is too big: the matter of this instance alone.
      tell({ kind: "not-started", instance, reason: String(error) });
    }
  };
  const startFork = (message: StartMessage, fork: ForkRequest, from: Zygote | undefined): void => {
    const { instance, groups = [] } = message;
    const state = { isUnwanted: false };
    forking.set(instance, state);
    const directories = groups.map(({ directory }) => directory);
    const forked = from?.fork(fork, directories) ?? Promise.reject(new Error("there is no zygote"));
    void forked
      .then(
        (made) => {
          follow(message, forkedProcess(made));
          if (state.isUnwanted) kill(instance);
        },
        (error: unknown) => {
          if (!fork.isRequired && !state.isUnwanted) return startCommand(message);
          remove(groups);
          tell({ kind: "not-started", instance, reason: String(error) });
        },
      )
      .catch((error: unknown) => tell({ kind: "not-started", instance, reason: String(error) }))
      .finally(() => forking.delete(instance));
  };
  const startCommand = (message: StartMessage): void => {
    const { instance, groups = [] } = message;
    const child = spawnInstance(message, `${mark}.${instance}`);
    child.on("error", (error) => tell({ kind: "not-started", instance, reason: error.message }));
    const process = spawnedProcess(child);
    if (process === undefined) return remove(groups);
    if (message.isZygote === undefined) return follow(message, process);
    door ??= forkDoor(forkPath);
    const onReady = (): void => tell({ kind: "output", instance, text: "ready\n" });
    zygotes.set(instance, zygote(child, door, onReady));
    // What it says beside is for the agent's log.
    follow(message, { ...process, outputs: [child.stderr] });
  };
  const follow = (message: StartMessage, process: InstanceProcess): void => {
    const { instance, note, groups = [] } = message;
    const { pid, input, outputs } = process;
    const { startedAt } = identifyProcess(pid) ?? { startedAt: "" };
    const told = { instance, pid, startedAt, ...(note === undefined ? {} : { note }) };
    const entry: Running = {
      process,
      told,
      pid,
      memoryBytesMax: message.memoryBytesMax,
      groups,
      isZygote: message.isZygote === true,
      isOutOfMemory: false,
    };
    running.set(instance, entry);
    input.on("error", () => undefined);
    if (message.greeting === undefined) input.end();
    else input.write(`${message.greeting}\n`);
    for (const output of outputs)
      output.setEncoding("utf8").on("data", (text: string) => {
        tell({ kind: "output", instance, text: text.slice(-OUTPUT_CHARACTERS_MAX) });
      });
    void process.exited.then(({ code, signal }) => {
      running.delete(instance);
      zygotes.delete(instance);
      killGroup(pid);
      sweepSoon();
      const isOutOfMemory = entry.isOutOfMemory || ranOutOfMemory(groups);
      remove(groups);
      const ended = message.descriptors === undefined ? { code, signal } : readExit(code, signal);
      void lastWords(outputs, LAST_WORDS_MS).then(() =>
        tell({ kind: "exited", instance, ...ended, isOutOfMemory }),
      );
    });
    tell({ kind: "started", instance, pid, startedAt });
  };

  const greet = ({ instance, greeting, note }: GreetMessage): void => {
    const entry = running.get(instance);
    if (entry === undefined) throw new Error(`${instance} is gone`);
    entry.told = { ...entry.told, note };
    entry.process.input.write(`${greeting}\n`);
  };

  const kill = (instance: string): void => {
    const entry = running.get(instance);
    if (entry !== undefined) killGroup(entry.pid);
    const unfinished = forking.get(instance);
    if (unfinished !== undefined) unfinished.isUnwanted = true;
  };
  const killAll = (): void => {
    for (const instance of running.keys()) kill(instance);
  };
  return {
    start,
    greet,
    running: () => [...running.values()].flatMap(({ told, isZygote }) => (isZygote ? [] : [told])),
    kill,
    onNewAgent: () => {
      for (const unfinished of forking.values()) unfinished.isUnwanted = true;
      for (const each of zygotes.values()) each.retire();
      zygotes.clear();
    },
    killAll,
    close: async () => {
      clearInterval(watching);
      door?.close();
      const left = [...running.values()].flatMap(({ groups }) => groups);
      killAll();
      await endMarked(mark, () => true);
      await Promise.all([...removals, removeGroups(left)]);
    },
  };
}

/** The kernel does it, sooner and without being asked. */
const isLimited = (groups: readonly ResourceGroup[]): boolean =>
  groups.some(({ outOfMemoryCounts }) => outOfMemoryCounts !== undefined);

function spawnInstance(
  { command, directory, environment, descriptors = [] }: StartMessage,
  mark: string,
): ChildProcessWithoutNullStreams {
  const [program, ...programArguments] = command;
  const child = spawn(program, programArguments, {
    cwd: directory,
    env: { ...environment, [MARK_VARIABLE]: mark },
    detached: true,
    stdio: ["pipe", "pipe", "pipe", ...descriptors.map(() => "pipe" as const)],
  });
  for (const [index, given] of descriptors.entries()) {
    const pipe = child.stdio[3 + index];
    if (!(pipe instanceof Writable)) continue;
    pipe.on("error", () => undefined);
    pipe.end(given);
  }
  return child;
}

/** A sandbox that ends with what it ran says so in its code. */
function readExit(code: number | null, signal: string | null) {
  const number = (code ?? 0) - SIGNAL_CODES_FROM;
  const named = Object.entries(constants.signals).find(([, value]) => value === number);
  return named === undefined ? { code, signal } : { code: null, signal: named[0] };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
