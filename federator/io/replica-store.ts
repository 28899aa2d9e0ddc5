import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** The replica's copy on disk. */
export interface ReplicaStore {
  readonly load: () => Promise<StoredReplica>;
  /** Changes and position become durable together. */
  readonly apply: (position: Position, changes: readonly Change[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface StoredReplica {
  /** Undefined before the first revision. */
  readonly position: Position | undefined;
  readonly records: readonly CatalogRecord[];
}

type RequestBody =
  | { readonly kind: "load" }
  | { readonly kind: "apply"; readonly position: Position; readonly changes: readonly Change[] }
  | { readonly kind: "close" };
export type ReplicaRequest = RequestBody & { readonly id: number };
export type ReplicaAnswer =
  | { readonly id: number; readonly kind: "done"; readonly result: unknown }
  | { readonly id: number; readonly kind: "failed"; readonly reason: string };

/** Opens the copy, or starts an empty one beside a file that cannot be read: it is only a copy. */
export async function openReplicaStore(file: string, log: Logger): Promise<ReplicaStore> {
  await mkdir(dirname(file), { recursive: true });
  const store = startWorker(file);
  try {
    await store.load();
    return store;
  } catch (error) {
    log.error({ err: error, file }, "the replica cannot be read; it is put aside and copied anew");
    await store.close().catch(() => undefined);
    await rename(file, `${file}.unreadable`).catch(() => undefined);
    for (const suffix of ["-wal", "-shm"])
      await rename(`${file}${suffix}`, `${file}${suffix}.unreadable`).catch(() => undefined);
    return startWorker(file);
  }
}

function startWorker(file: string): ReplicaStore {
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
    if (message.kind === "done") asked?.resolve(message.result);
    else asked?.reject(new Error(`the replica's disk refused: ${message.reason}`));
  });

  const ask = (body: RequestBody): Promise<unknown> => {
    if (failure !== undefined) return Promise.reject(failure);
    nextId += 1;
    const asked = Promise.withResolvers<unknown>();
    waiting.set(nextId, asked);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin, a window has
    worker.postMessage({ ...body, id: nextId } satisfies ReplicaRequest);
    return asked.promise;
  };

  return {
    // The thread is our own and answers in the shape that it was asked for.
    load: async () => (await ask({ kind: "load" })) as StoredReplica,
    apply: async (position, changes) => {
      await ask({ kind: "apply", position, changes });
    },
    close: async () => {
      await ask({ kind: "close" }).catch(() => undefined);
      await worker.terminate();
    },
  };
}
