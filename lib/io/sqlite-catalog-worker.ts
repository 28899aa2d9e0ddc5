import { strict as assert } from "node:assert";
import { parentPort } from "node:worker_threads";
import { applyWrite, readPage, readRevisions } from "#lib/catalog/history.ts";
import { MeridianError } from "#lib/errors.ts";
import { damageFailure } from "#lib/io/sqlite-database.ts";
import { openSqliteHistory, type SqliteHistory } from "#lib/io/sqlite-history.ts";
import type {
  CallName,
  WorkerCalls,
  WorkerReply,
  WorkerRequest,
} from "#lib/io/sqlite-worker-calls.ts";

/*
 * The thread that owns the catalog's file. It does one thing after the other, so that a page, a batch of revisions and a
 * group of writes each see one state.
 */
assert(parentPort !== null, "this file runs as a worker thread");
const port = parentPort;
let opened: SqliteHistory | undefined;
let openedFile = "";

const calls: {
  readonly [Name in CallName]: (ask: WorkerCalls[Name]["ask"]) => WorkerCalls[Name]["answer"];
} = {
  open: ({ databaseFile, databaseBytesMax }) => {
    openedFile = databaseFile;
    opened = openSqliteHistory(databaseFile, databaseBytesMax);
    return { position: opened.position(), leases: opened.leases() };
  },
  commit: (writes) => {
    const current = history();
    return current.inTransaction(() => writes.map((write) => applyWrite(current, write)));
  },
  page: (query) => readPage(history(), query),
  revisionsAfter: (revision) => readRevisions(history(), revision),
  status: () => ({ ...history().position(), databaseBytes: history().databaseBytes() }),
  close: () => {
    opened?.close();
    port.close();
    return null;
  },
};

function history(): SqliteHistory {
  assert(opened !== undefined, "the file is opened first");
  return opened;
}

function answer<Name extends CallName>({ callId, name, ask }: WorkerRequest<Name>): WorkerReply {
  try {
    return { callId, kind: "answer", answer: calls[name](ask) };
  } catch (error) {
    const failure = error instanceof MeridianError ? error : damageFailure(error, openedFile);
    if (failure === undefined) throw error;
    return { callId, kind: "failure", code: failure.code, detail: failure.message };
  }
}

port.on("message", (request: WorkerRequest) => port.postMessage(answer(request)));
