import type { ChildProcessWithoutNullStreams } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Forked } from "./zygote.ts";

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process of an instance, whoever is its parent. */
export interface InstanceProcess {
  readonly pid: number;
  readonly input: Writable;
  readonly outputs: readonly Readable[];
  readonly exited: Promise<Exit>;
}

/** Undefined where there came none, which its `error` event tells of. */
export function spawnedProcess(child: ChildProcessWithoutNullStreams): InstanceProcess | undefined {
  const { pid, stdin: input, stdout, stderr } = child;
  if (pid === undefined) return undefined;
  const { promise: exited, resolve } = Promise.withResolvers<Exit>();
  child.once("exit", (code, signal) => resolve({ code, signal }));
  return { pid, input, outputs: [stdout, stderr], exited };
}

export const forkedProcess = ({ pid, socket, ended }: Forked): InstanceProcess => ({
  pid,
  input: socket,
  outputs: [socket],
  exited: ended.then((code): Exit => ({ code, signal: null })),
});

/** Resolves once all that it said is read; somebody else may hold the other end, and nobody waits longer than that for last words. */
export async function lastWords(outputs: readonly Readable[], limitMs: number): Promise<void> {
  const timer = setTimeout(() => {
    for (const output of outputs) output.destroy();
  }, limitMs);
  await Promise.allSettled(outputs.map((output) => finished(output, { writable: false })));
  clearTimeout(timer);
}
