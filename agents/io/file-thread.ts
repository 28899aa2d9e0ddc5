import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import { MeridianError } from "#lib/errors.ts";
import { withinDeadline } from "#lib/io/within-deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** Beyond this, calls come faster than the disk takes them. */
const CALLS_MAX = 2_000;
/** A disk that hangs holds up whoever asks no longer. */
const ANSWER_LIMIT_MS = 5_000;
/** A file that could not be opened is not tried again sooner. */
const REOPEN_AFTER_MS = 10_000;

/** What a thread that owns a file is asked, by name, and what it answers. */
export type ThreadCalls<Calls> = {
  readonly [Name in keyof Calls]: { readonly ask: unknown; readonly answer: unknown };
} & { readonly close: { readonly ask: null; readonly answer: null } };

type Names<Calls> = keyof Calls & string;
type Ask<Calls extends ThreadCalls<Calls>, Name extends keyof Calls> = Calls[Name]["ask"];
type Answer<Calls extends ThreadCalls<Calls>, Name extends keyof Calls> = Calls[Name]["answer"];

export interface ThreadRequest<
  Calls extends ThreadCalls<Calls>,
  Name extends Names<Calls> = Names<Calls>,
> {
  readonly callId: number;
  readonly name: Name;
  readonly ask: Ask<Calls, Name>;
}

export type ThreadReply =
  | { readonly callId: number; readonly kind: "answer"; readonly answer: unknown }
  | { readonly callId: number; readonly kind: "failure"; readonly reason: string };

export interface FileThread<Calls extends ThreadCalls<Calls>> {
  readonly isBusy: () => boolean;
  readonly call: <Name extends Names<Calls>>(
    name: Name,
    ask: Ask<Calls, Name>,
  ) => Promise<Answer<Calls, Name>>;
  /** After the calls before it; never rejects. */
  readonly close: () => Promise<void>;
  readonly terminate: () => Promise<unknown>;
}

/** A file behind a thread that is begun when it is first needed, and again some time after it was lost. */
export interface ThreadedFile<Calls extends ThreadCalls<Calls>> {
  /** Fails with `unusable` for whatever reason the thread has none of its own for. */
  readonly ask: <Name extends Names<Calls>>(
    name: Name,
    ask: Ask<Calls, Name>,
  ) => Promise<Answer<Calls, Name>>;
  readonly close: () => Promise<void>;
}

export interface ThreadedFilePorts<Calls extends ThreadCalls<Calls>> {
  readonly open: () => Promise<FileThread<Calls>>;
  readonly onLost: (cause: unknown) => void;
  readonly unusable: (cause?: unknown) => MeridianError;
  readonly clock: Clock;
}

export function threadedFile<Calls extends ThreadCalls<Calls>>({
  open,
  onLost,
  unusable,
  clock,
}: ThreadedFilePorts<Calls>): ThreadedFile<Calls> {
  let thread: Promise<FileThread<Calls>> | undefined;
  let failedAtMs = -Infinity;
  let isClosed = false;

  const lose = (lost: Promise<FileThread<Calls>>, error: unknown): void => {
    if (thread !== lost) return;
    onLost(error);
    lost.then((one) => one.terminate()).catch(() => undefined);
    thread = undefined;
    failedAtMs = clock.nowMs();
  };
  const opened = (): Promise<FileThread<Calls>> | undefined => {
    const isFailing = thread === undefined && clock.nowMs() - failedAtMs < REOPEN_AFTER_MS;
    if (isClosed || isFailing) return undefined;
    return (thread ??= open());
  };
  return {
    ask: async (name, asked) => {
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
    },
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

const noAnswer = (reason: string): Error =>
  new Error(`the file's thread does not answer: ${reason}`);

interface Pending {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** What a thread is asked first. */
interface Opening {
  readonly open: { readonly ask: { readonly file: string }; readonly answer: unknown };
}

/** A thread of this script that has opened its file, whose folder is made, and what it said to that. */
export async function openFileThread<Calls extends ThreadCalls<Calls> & Opening>(
  script: URL,
  ask: Ask<Calls, "open">,
): Promise<{ readonly thread: FileThread<Calls>; readonly answer: Answer<Calls, "open"> }> {
  await mkdir(dirname(ask.file), { recursive: true, mode: 0o700 });
  const thread = startFileThread<Calls>(script);
  try {
    return { thread, answer: await thread.call("open", ask) };
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

function startFileThread<Calls extends ThreadCalls<Calls>>(script: URL): FileThread<Calls> {
  const worker = new Worker(script);
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
  worker.on("message", (reply: ThreadReply) => {
    const call = pending.get(reply.callId);
    pending.delete(reply.callId);
    if (reply.kind === "failure") call?.reject(new Error(reply.reason));
    else call?.resolve(reply.answer as never);
  });

  const send = <Name extends Names<Calls>>(name: Name, ask: Ask<Calls, Name>) =>
    new Promise<Answer<Calls, Name>>((resolve, reject) => {
      const callId = ++callsMade;
      pending.set(callId, { resolve, reject });
      const request: ThreadRequest<Calls, Name> = { callId, name, ask };
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
