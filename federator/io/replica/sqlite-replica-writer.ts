import { Worker } from "node:worker_threads";
import type { ReplicaEngine, StoredReplica } from "./replica-engine.ts";
import type { ReplicaAnswer, ReplicaRequest } from "./replica-worker.ts";
import type { FileFault } from "./sqlite-replica-file.ts";

/** A step that the disk did not take; the copy is as it was before. */
export class ReplicaFileError extends Error {
  readonly fault: FileFault;
  constructor(reason: string, fault: FileFault) {
    super(`the replica's disk refused: ${reason}`);
    this.fault = fault;
  }
}

export interface ReplicaWriter {
  readonly ask: <Call extends keyof ReplicaEngine>(
    call: Call,
    args: Parameters<ReplicaEngine[Call]>,
  ) => Promise<{ readonly result: ReturnType<ReplicaEngine[Call]>; readonly state: StoredReplica }>;
  readonly close: () => Promise<void>;
}

/** The one writer, in its thread; opens the file with the first step. */
export function startReplicaWriter(file: string): ReplicaWriter {
  const worker = new Worker(new URL("./replica-worker.ts", import.meta.url), {
    workerData: { file },
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let nextId = 0;
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on("error", (error) => fail(new Error("the replica's thread died", { cause: error })));
  worker.on("exit", () => fail(failure ?? new Error("the replica is closed")));
  worker.on("message", (message: ReplicaAnswer) => {
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.kind === "done") asked?.resolve(message);
    else asked?.reject(new ReplicaFileError(message.reason, message.fault));
  });

  const ask: ReplicaWriter["ask"] = async (call, args) => {
    if (failure !== undefined) throw failure;
    nextId += 1;
    const asked = Promise.withResolvers<unknown>();
    waiting.set(nextId, asked);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin, a window has
    worker.postMessage({ id: nextId, call, args } satisfies ReplicaRequest);
    // The thread is our own and answers in the shape that it was asked for.
    return (await asked.promise) as Awaited<ReturnType<typeof ask<typeof call>>>;
  };
  return {
    ask,
    close: async () => {
      await ask("close", []).catch(() => undefined);
      await worker.terminate();
    },
  };
}
