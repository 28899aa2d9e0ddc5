import { Worker } from "node:worker_threads";
import { MeridianError } from "#lib/errors.ts";
import type {
  CallName,
  WorkerCalls,
  WorkerReply,
  WorkerRequest,
} from "#lib/io/sqlite-worker-calls.ts";

const CALLS_MAX = 2_000;

export interface SqliteWorker {
  readonly call: <Name extends CallName>(
    name: Name,
    ask: WorkerCalls[Name]["ask"],
  ) => Promise<WorkerCalls[Name]["answer"]>;
  /** After the calls before it. */
  readonly close: () => Promise<void>;
}

interface Pending {
  readonly name: CallName;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** Calls to the SQLite thread. When the thread ends unforeseen, its calls fail and `onLost` hears why. */
export function startSqliteWorker(onLost: (cause: Error) => void): SqliteWorker {
  const worker = new Worker(new URL("./sqlite-catalog-worker.ts", import.meta.url));
  const ended = Promise.withResolvers<void>();
  const pending = new Map<number, Pending>();
  let callsMade = 0;
  let state: "open" | "closing" | "ended" = "open";

  const end = (cause: Error) => {
    const wasOpen = state === "open";
    state = "ended";
    for (const { name, reject } of pending.values()) reject(lostCall(name, cause));
    pending.clear();
    ended.resolve();
    if (wasOpen) onLost(cause);
  };
  worker.on("error", (error) => end(error instanceof Error ? error : new Error(String(error))));
  worker.on("exit", (exitCode) => end(new Error(`the SQLite thread ended with ${exitCode}`)));
  worker.on("message", (reply: WorkerReply) => {
    const call = pending.get(reply.callId);
    pending.delete(reply.callId);
    if (reply.kind === "failure") call?.reject(new MeridianError(reply.code, reply.detail));
    else call?.resolve(reply.answer as never);
  });

  const send = <Name extends CallName>(name: Name, ask: WorkerCalls[Name]["ask"]) =>
    new Promise<WorkerCalls[Name]["answer"]>((resolve, reject) => {
      const callId = ++callsMade;
      pending.set(callId, { name, resolve, reject });
      const request: WorkerRequest<Name> = { callId, name, ask };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin, a window has
      worker.postMessage(request);
    });

  return {
    call: async (name, ask) => {
      if (state !== "open" || pending.size >= CALLS_MAX)
        throw new MeridianError(
          "MERIDIAN_CATALOG_UNAVAILABLE",
          state === "open" ? "The catalog has too much to do." : "The catalog is closed.",
        );
      return await send(name, ask);
    },
    close: async () => {
      if (state === "open") {
        state = "closing";
        // The thread may end before its answer is heard; both mean that it is closed.
        await send("close", null).catch(() => undefined);
      }
      await ended.promise;
    },
  };
}

function lostCall(name: CallName, cause: Error): MeridianError {
  return name === "commit"
    ? new MeridianError(
        "MERIDIAN_WRITE_AMBIGUOUS",
        "The catalog's thread was lost during the change; look before repeating it.",
        { cause },
      )
    : new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", "The catalog's thread was lost.", {
        cause,
      });
}
