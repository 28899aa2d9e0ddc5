import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { FromLauncher, ToLauncher } from "./messages.ts";
import { endMarked, MARK_VARIABLE } from "./end-marked.ts";

const MEMORY_CHECK_MS = 200;
/** A child of an instance that left its process group may hold the pipes; nobody waits longer for their last words. */
const LAST_WORDS_MS = 100;
/** Many instances that end together are swept after together. */
const SWEEP_DELAY_MS = 50;
const OUTPUT_CHARACTERS_MAX = 16_384;
const PAGE_BYTES = 4_096;

type StartMessage = Extract<ToLauncher, { kind: "start" }>;

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly memoryBytesMax: number;
  isOutOfMemory: boolean;
}

export interface ChildProcesses {
  readonly start: (message: StartMessage) => void;
  readonly kill: (instance: string) => void;
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
  tell: (message: FromLauncher) => void,
): ChildProcesses {
  const running = new Map<string, Running>();
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
      if (ownMemoryBytes(entry.pid) <= entry.memoryBytesMax) continue;
      entry.isOutOfMemory = true;
      killGroup(entry.pid);
    }
  }, MEMORY_CHECK_MS);

  const start = (message: StartMessage): void => {
    const { instance } = message;
    let child: ChildProcessWithoutNullStreams;
    try {
      child = spawnInstance(message, `${mark}.${instance}`);
    } catch (error) {
      // An environment that no process can have, such as one that is too big: the matter of this instance alone.
      return tell({ kind: "not-started", instance, reason: String(error) });
    }
    child.on("error", (error) => tell({ kind: "not-started", instance, reason: error.message }));
    const { pid } = child;
    if (pid === undefined) return;
    const entry: Running = {
      child,
      pid,
      memoryBytesMax: message.memoryBytesMax,
      isOutOfMemory: false,
    };
    running.set(instance, entry);
    child.stdin.on("error", () => undefined);
    if (message.greeting === undefined) child.stdin.end();
    else child.stdin.write(`${message.greeting}\n`);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        tell({ kind: "output", instance, text: text.slice(-OUTPUT_CHARACTERS_MAX) });
      });
    child.once("exit", (code, signal) => {
      running.delete(instance);
      killGroup(pid);
      sweepSoon();
      afterLastWords(child, () =>
        tell({ kind: "exited", instance, code, signal, isOutOfMemory: entry.isOutOfMemory }),
      );
    });
    tell({ kind: "started", instance, pid });
  };

  const kill = (instance: string): void => {
    const entry = running.get(instance);
    if (entry !== undefined) killGroup(entry.pid);
  };
  const killAll = (): void => {
    for (const instance of running.keys()) kill(instance);
  };
  return {
    start,
    kill,
    killAll,
    close: async () => {
      clearInterval(watching);
      killAll();
      await endMarked(mark, () => true);
    },
  };
}

function spawnInstance(
  { command, directory, environment }: StartMessage,
  mark: string,
): ChildProcessWithoutNullStreams {
  const [program, ...programArguments] = command;
  return spawn(program, programArguments, {
    cwd: directory,
    env: { ...environment, [MARK_VARIABLE]: mark },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** The pipes may hold more after the exit; `then` is called once they are read or it takes too long. */
function afterLastWords(child: ChildProcess, then: () => void): void {
  const timer = setTimeout(() => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, LAST_WORDS_MS);
  child.once("close", () => {
    clearTimeout(timer);
    then();
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

/** Resident memory that is not shared with others, such as the program's own text; 0 where the system does not tell. */
function ownMemoryBytes(pid: number): number {
  try {
    const [, resident, shared] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ");
    return (Number(resident) - Number(shared)) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
