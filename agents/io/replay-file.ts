import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import { withinDeadline } from "#lib/io/within-deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { KeptCall } from "../core/decide-replay.ts";
import {
  asBuffer,
  type ReplayFileCall,
  type ReplayFileCalls,
  type ReplayFileReply,
  type ReplayFileRequest,
} from "./replay-file-calls.ts";
import type { ReplayLimits, ReplayStore } from "./replay-store.ts";

/** Beyond this, keys come faster than the disk takes them, and are not kept. */
const CALLS_MAX = 2_000;
/** A disk that hangs holds up the call with the key no longer. */
const ANSWER_LIMIT_MS = 5_000;
/** A file that could not be opened is not tried again sooner. */
const REOPEN_AFTER_MS = 10_000;

/**
 * Keys in a file that a killed agent leaves whole: durable before the call runs, and its answer before the caller has it. A file that
 * cannot be read fails each look with MERIDIAN_OVERLOADED, for what it holds must not run again. Opened when the first key comes.
 */
export function replayFile(
  file: string,
  limits: ReplayLimits,
  clock: Clock,
  log: Logger,
): ReplayStore {
  let thread: Promise<FileThread> | undefined;
  let failedAtMs = -Infinity;
  let isClosed = false;

  const lose = (lost: Promise<FileThread>, error: unknown): void => {
    if (thread !== lost) return;
    log.error({ err: error, file }, "idempotency keys cannot be kept now");
    lost.then((one) => one.terminate()).catch(() => undefined);
    thread = undefined;
    failedAtMs = clock.nowMs();
  };
  const opened = (): Promise<FileThread> | undefined => {
    const isFailing = thread === undefined && clock.nowMs() - failedAtMs < REOPEN_AFTER_MS;
    if (isClosed || isFailing) return undefined;
    return (thread ??= openFile(file, limits, log));
  };
  const ask = async <Name extends ReplayFileCall>(
    name: Name,
    asked: ReplayFileCalls[Name]["ask"],
  ): Promise<ReplayFileCalls[Name]["answer"]> => {
    const current = opened();
    if (current === undefined) throw unusable();
    const calling = current.then((one) => {
      if (one.isBusy()) throw unusable();
      return one.call(name, asked);
    });
    try {
      return await withinDeadline(calling, { clock, timeoutMs: ANSWER_LIMIT_MS }, noAnswer);
    } catch (error) {
      if (error instanceof MeridianError) throw error;
      lose(current, error);
      throw unusable(error);
    }
  };

  return {
    find: async (id) => withBuffer(await ask("find", { id, nowMs: clock.wallMs() })),
    start: (key) => ask("start", { key, nowMs: clock.wallMs() }).catch(() => false),
    finish: (id, answer) => ask("finish", { id, answer }).catch(() => false),
    // What stays is taken for a call that may have run, which is the safe side.
    forget: (id) =>
      ask("forget", id).then(
        () => undefined,
        () => undefined,
      ),
    close: async () => {
      isClosed = true;
      const closed = thread?.then((last) => last.close());
      if (closed === undefined) return;
      await withinDeadline(closed, { clock, timeoutMs: ANSWER_LIMIT_MS }, noAnswer).catch(() =>
        thread?.then((last) => last.terminate()).catch(() => undefined),
      );
    },
  };
}

async function openFile(file: string, limits: ReplayLimits, log: Logger): Promise<FileThread> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const thread = startThread();
  try {
    const { damage } = await thread.call("open", { file, limits });
    if (damage !== undefined)
      log.error({ file, damage }, "the file of idempotency keys is damaged, and begun anew");
    return thread;
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

const unusable = (cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "This cluster cannot look up idempotency keys now; the function was not started. Try again.",
    { cause },
  );

const noAnswer = (reason: string): Error =>
  new Error(`the file of idempotency keys does not answer: ${reason}`);

function withBuffer(call: KeptCall | undefined): KeptCall | undefined {
  if (call?.state !== "answered") return call;
  return { ...call, answer: { ...call.answer, body: asBuffer(call.answer.body) } };
}

interface FileThread {
  readonly isBusy: () => boolean;
  readonly call: <Name extends ReplayFileCall>(
    name: Name,
    ask: ReplayFileCalls[Name]["ask"],
  ) => Promise<ReplayFileCalls[Name]["answer"]>;
  /** After the calls before it; never rejects. */
  readonly close: () => Promise<void>;
  readonly terminate: () => Promise<unknown>;
}

interface Pending {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

function startThread(): FileThread {
  const worker = new Worker(new URL("./replay-file-worker.ts", import.meta.url));
  const ended = Promise.withResolvers<void>();
  const pending = new Map<number, Pending>();
  let callsMade = 0;
  let hasEnded = false;

  const end = (cause: Error): void => {
    hasEnded = true;
    for (const { reject } of pending.values()) reject(cause);
    pending.clear();
    ended.resolve();
  };
  worker.on("error", (error) => end(error instanceof Error ? error : new Error(String(error))));
  worker.on("exit", (exitCode) => end(new Error(`the thread ended with ${exitCode}`)));
  worker.on("message", (reply: ReplayFileReply) => {
    const call = pending.get(reply.callId);
    pending.delete(reply.callId);
    if (reply.kind === "failure") call?.reject(new Error(reply.reason));
    else call?.resolve(reply.answer as never);
  });

  const send = <Name extends ReplayFileCall>(name: Name, ask: ReplayFileCalls[Name]["ask"]) =>
    new Promise<ReplayFileCalls[Name]["answer"]>((resolve, reject) => {
      const callId = ++callsMade;
      pending.set(callId, { resolve, reject });
      const request: ReplayFileRequest<Name> = { callId, name, ask };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin, a window has
      worker.postMessage(request);
    });
  return {
    isBusy: () => pending.size >= CALLS_MAX,
    call: async (name, ask) => {
      if (hasEnded) throw new Error("the thread has ended");
      return await send(name, ask);
    },
    close: async () => {
      // The thread may end before its answer is heard; both mean that it is closed.
      if (!hasEnded) await send("close", null).catch(() => undefined);
      await ended.promise;
    },
    terminate: () => worker.terminate(),
  };
}
