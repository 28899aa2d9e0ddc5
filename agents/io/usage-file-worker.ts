import { strict as assert } from "node:assert";
import { parentPort } from "node:worker_threads";
import { isFull } from "#lib/io/sqlite-fault.ts";
import type { ThreadReply, ThreadRequest } from "./file-thread.ts";
import type { UsageFileCalls } from "./usage-file-calls.ts";
import { openUsageBook, type UsageBook } from "./usage-book.ts";

/* The thread that owns the book of usage, so that the agent waits for no disk. */
assert(parentPort !== null, "this file runs as a worker thread");
const port = parentPort;
let opened: UsageBook | undefined;

function book(): UsageBook {
  assert(opened !== undefined, "the book is opened first");
  return opened;
}

const calls: {
  readonly [Name in keyof UsageFileCalls]: (
    ask: UsageFileCalls[Name]["ask"],
  ) => UsageFileCalls[Name]["answer"];
} = {
  open: (options) => {
    let damage: string | undefined;
    opened = openUsageBook(options, (cause) => (damage = String(cause)));
    return { bookId: opened.bookId, damage };
  },
  add: ({ batch, wallMs }) => {
    try {
      return book().add(batch, wallMs);
    } catch (error) {
      if (isFull(error)) return "no-room";
      throw error;
    }
  },
  read: (query) => book().read(query),
  close: () => {
    opened?.close();
    port.close();
    return null;
  },
};

function answer<Name extends keyof UsageFileCalls>({
  callId,
  name,
  ask,
}: ThreadRequest<UsageFileCalls, Name>): ThreadReply {
  try {
    return { callId, kind: "answer", answer: calls[name](ask) };
  } catch (error) {
    return { callId, kind: "failure", reason: String(error) };
  }
}

port.on("message", (request: ThreadRequest<UsageFileCalls>) => port.postMessage(answer(request)));
