import { strict as assert } from "node:assert";
import { parentPort } from "node:worker_threads";
import type { ThreadReply } from "./file-thread.ts";
import {
  asBuffer,
  type ReplayFileCall,
  type ReplayFileCalls,
  type ReplayFileRequest,
} from "./replay-file-calls.ts";
import { openReplayTable, type ReplayTable } from "./replay-table.ts";

/*
 * The thread that owns the file of keys. What is asked of it while it writes goes together into the next transaction, and is
 * answered when that is durable.
 */
assert(parentPort !== null, "this file runs as a worker thread");
const port = parentPort;
let opened: ReplayTable | undefined;
let waiting: ReplayFileRequest[] = [];

const calls: {
  readonly [Name in ReplayFileCall]: (
    ask: ReplayFileCalls[Name]["ask"],
  ) => ReplayFileCalls[Name]["answer"];
} = {
  open: ({ file, limits }) => {
    let damage: string | undefined;
    opened = openReplayTable(file, limits, (cause) => (damage = String(cause)));
    return { damage };
  },
  find: ({ id, nowMs }) => table().find(id, nowMs),
  start: ({ key, nowMs }) => table().start(key, nowMs),
  finish: ({ id, answer }) =>
    table().finish(id, answer && { ...answer, body: asBuffer(answer.body) }),
  forget: (id) => {
    table().forget(id);
    return null;
  },
  close: () => {
    opened?.close();
    port.close();
    return null;
  },
};

function table(): ReplayTable {
  assert(opened !== undefined, "the file is opened first");
  return opened;
}

function answer<Name extends ReplayFileCall>({
  callId,
  name,
  ask,
}: ReplayFileRequest<Name>): ThreadReply {
  return { callId, kind: "answer", answer: calls[name](ask) };
}

const isWrite = ({ name }: ReplayFileRequest): boolean =>
  name === "start" || name === "finish" || name === "forget";

function answerAll(requests: readonly ReplayFileRequest[]): readonly ThreadReply[] {
  try {
    let replies: readonly ThreadReply[] = [];
    const work = (): void => {
      replies = requests.map(answer);
    };
    if (requests.some(isWrite)) table().inTransaction(work);
    else work();
    return replies;
  } catch (error) {
    const reason = String(error);
    return requests.map(({ callId }) => ({ callId, kind: "failure", reason }));
  }
}

function work(): void {
  const requests = waiting;
  waiting = [];
  for (const reply of answerAll(requests)) port.postMessage(reply);
}

port.on("message", (request: ReplayFileRequest) => {
  // Neither belongs into a transaction with others.
  if (request.name === "open" || request.name === "close") {
    work();
    for (const reply of answerAll([request])) port.postMessage(reply);
    return;
  }
  if (waiting.length === 0) setImmediate(work);
  waiting.push(request);
});
