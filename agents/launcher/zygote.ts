import type { ChildProcessWithoutNullStreams } from "node:child_process";
import type { Socket } from "node:net";
import { readJsonLines } from "#lib/io/json-lines.ts";
import type { ForkDoor } from "./fork-door.ts";
import type { ForkRequest } from "./messages.ts";

/** A zygote that takes longer is stopped, or its machine is: the ordinary way is no slower then. */
const FORK_LIMIT_MS = 2_000;
const PENDING_MAX = 256;
const HEAD_BYTES = 9;

export interface Forked {
  readonly pid: number;
  readonly socket: Socket;
  /** With its exit code, which is 128 more than the signal that ended it. */
  readonly ended: Promise<number>;
}

export interface Zygote {
  /** Rejects where nothing of it is left behind. */
  readonly fork: (request: ForkRequest, groups: readonly string[]) => Promise<Forked>;
  /** It forks no more, and ends with the last that it did. */
  readonly retire: () => void;
}

type Said =
  | { readonly kind: "ready" }
  | { readonly kind: "forked"; readonly pid: number }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "ended"; readonly pid: number; readonly code: number };

interface Pending {
  readonly onForked: (pid: number) => void;
  readonly onFailed: (reason: string) => void;
}

/** A process that forks others when it is told to; see `runtimes/python/zygote.py`. It answers in the order it is asked. */
export function zygote(
  child: ChildProcessWithoutNullStreams,
  door: ForkDoor,
  onReady: () => void,
): Zygote {
  const pending: Pending[] = [];
  const ends = new Map<number, (code: number) => void>();
  let isRetired = false;

  const hear = (said: Said): void => {
    switch (said.kind) {
      case "ready":
        return onReady();
      case "forked":
        return pending.shift()?.onForked(said.pid);
      case "failed":
        return pending.shift()?.onFailed(said.reason);
      case "ended":
        ends.get(said.pid)?.(said.code);
        ends.delete(said.pid);
    }
  };
  const listen = async (): Promise<void> => {
    // Written by our own program, which nothing of a function's ever enters.
    for await (const line of readJsonLines(child.stdout)) hear(line as Said);
  };
  /** The kernel ends with it all that it forked. */
  const onGone = (): void => {
    isRetired = true;
    for (const { onFailed } of pending.splice(0)) onFailed("the zygote is gone");
    for (const end of ends.values()) end(SIGKILLED);
    ends.clear();
  };
  void listen()
    .catch(() => killQuietly(child.pid))
    .finally(onGone);

  const fork = (request: ForkRequest, groups: readonly string[]): Promise<Forked> => {
    if (isRetired || pending.length >= PENDING_MAX || !child.stdin.writable)
      return Promise.reject(new Error("the zygote forks no more"));
    const { promise, resolve, reject } = Promise.withResolvers<Forked>();
    let pid: number | undefined;
    let socket: Socket | undefined;
    let isOver = false;
    const ended = Promise.withResolvers<number>();
    const giveUp = (reason: string): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      expected.forget();
      socket?.destroy();
      killQuietly(pid);
      reject(new Error(reason));
    };
    const meet = (): void => {
      if (isOver || pid === undefined || socket === undefined) return;
      isOver = true;
      clearTimeout(timer);
      resolve({ pid, socket, ended: ended.promise });
    };
    const timer = setTimeout(() => giveUp("the zygote did not fork in time"), FORK_LIMIT_MS);
    const expected = door.expect((link) => {
      socket = link;
      meet();
    });
    pending.push({
      onForked: (forkedPid) => {
        pid = forkedPid;
        if (isOver) return killQuietly(pid);
        ends.set(pid, (code) => {
          ended.resolve(code);
          pid = undefined;
          giveUp("it ended before it could be told whose it is");
        });
        meet();
      },
      onFailed: giveUp,
    });
    const words = { stdio: expected.address, cell: { task: request.taskDirectory, groups } };
    child.stdin.write(encodeRequest(request, words));
    return promise;
  };
  return {
    fork,
    retire: () => {
      isRetired = true;
      child.stdin.write(Buffer.alloc(HEAD_BYTES));
    },
  };
}

const SIGKILLED = 128 + 9;

/** The head is for the zygote, and what follows for the process alone that it forks. */
function encodeRequest({ user, hasOwnNetwork }: ForkRequest, words: object): Buffer {
  const body = Buffer.from(JSON.stringify(words));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(body.length);
  head.writeUInt32BE(user, 4);
  head.writeUInt8(hasOwnNetwork ? 1 : 0, 8);
  return Buffer.concat([head, body]);
}

function killQuietly(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
