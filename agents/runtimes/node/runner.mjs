/*
 * Runs one version of a Node function: reads one line of settings from standard input, loads the handler, connects to the
 * agent and serves its calls. Frames are those of lib/contracts/instance-frames.ts. No dependencies, no build step.
 */
import { installStreaming, isStreaming, openAnswer } from "./answer-stream.mjs";
import { frameReader } from "./frame-reader.mjs";
import { readSettings } from "./read-settings.mjs";

// Not imported: what that makes ready of each, for code that may import it, takes a seventh of a start.
const { AsyncLocalStorage } = process.getBuiltinModule("node:async_hooks");
const { existsSync, writeSync } = process.getBuiltinModule("node:fs");
const { createRequire } = process.getBuiltinModule("node:module");
const { connect } = process.getBuiltinModule("node:net");
const { isAbsolute, join, relative } = process.getBuiltinModule("node:path");
const { Writable } = process.getBuiltinModule("node:stream");
const { pathToFileURL } = process.getBuiltinModule("node:url");
const { format } = process.getBuiltinModule("node:util");

const READY = 1;
const INIT_ERROR = 2;
const INVOKE = 3;
const RESULT = 4;
const ERROR = 5;
const LOG = 6;
const CANCEL = 7;
const DRAIN = 8;
const HEAD = 9;
const PART = 10;
const END = 11;
const CREDIT = 12;

const RESULT_BYTES_MAX = 6 * 1024 * 1024;
const LOG_BYTES_MAX = 65_536;
/** What is printed faster than the agent reads is dropped beyond this, as is what no agent is there to read, and said. */
const UNSENT_BYTES_MAX = 1_048_576;
const EXIT_GRACE_MS = 250;
const RETRY_MIN_MS = 5;
const RETRY_MAX_MS = 100;

const require = createRequire(import.meta.url);

class ImportModuleError extends Error {}
class HandlerNotFound extends Error {}

const calls = new Map();
const currentCall = new AsyncLocalStorage();
let isDraining = false;
let droppedBytes = 0;
/** READY or INIT_ERROR, once it is known which; said on each connection first. */
let firstWord;
let retryMs = RETRY_MIN_MS;
let settings;
let handler;
let agent;

installStreaming();
settings = await readSettings(exercise);
const exit = process.exit.bind(process);
agent ??= connectToAgent();

process.on("uncaughtException", (error) => {
  const call = currentCall.getStore();
  if (call === undefined) writeSync(2, `${error?.stack ?? error}\n`);
  // One call is to blame if one is known or only one runs.
  const blamed = call ?? (calls.size === 1 ? [...calls.values()][0] : undefined);
  if (blamed !== undefined && calls.has(blamed.id))
    endCall(blamed, ERROR, { ...errorPayload(error), isCrash: true });
  exitSoon(1);
});

try {
  handler = await loadHandler();
} catch (error) {
  const payload = errorPayload(error, initErrorType(error));
  firstWord = () => send(INIT_ERROR, 0, { instanceToken: settings.token, ...payload });
  firstWord();
  exitSoon(1);
  await new Promise(() => {});
}
captureOutput();
firstWord = () => send(READY, 0, { instanceToken: settings.token, ...stillRunning() });
firstWord();

/** One call through all of this, of a handler of our own and for nobody: what is slow the first time is over then. */
async function exercise({ socketPath }) {
  settings = { codeDirectory: import.meta.dirname, handler: "exercise.handler", concurrency: 1 };
  agent = new Writable({ write: (chunk, encoding, done) => done() });
  handler = await loadHandler();
  const header = Buffer.from(JSON.stringify({ requestId: "exercise", deadlineMs: 0 }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  startCall(0, Buffer.concat([length, header, Buffer.from("{}")]));
  while (calls.size > 0) await new Promise(setImmediate);
  settings = { socketPath };
  agent = connectToAgent();
  await new Promise((resolve) => agent.once("connect", resolve).once("close", resolve));
}

/** An agent that is gone may have a successor on the same path, which takes over who comes; the launcher decides how long that may take. */
function connectToAgent() {
  const socket = connect(settings.socketPath);
  socket.on("error", () => {});
  socket.on("data", frameReader(onFrame));
  // Not by the connection alone: an agent that does not know this instance yet hangs up.
  socket.once("data", () => {
    retryMs = RETRY_MIN_MS;
  });
  socket.on("close", () => {
    // Whoever waited for these is gone with the agent.
    for (const call of calls.values()) cancelCall(call);
    setTimeout(() => {
      agent = connectToAgent();
      firstWord?.();
    }, retryMs).unref();
    retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
  });
  return socket;
}

/** What an agent has to know of the calls that the one before it gave. */
function stillRunning() {
  if (calls.size === 0) return {};
  const nowMs = performance.now();
  const running = [...calls.values()].map(({ id, requestId, deadlineAtMs }) => ({
    callId: id,
    requestId,
    leftMs: Math.max(0, Math.ceil(deadlineAtMs - nowMs)),
  }));
  return { running };
}

async function loadHandler() {
  const dot = settings.handler.lastIndexOf(".");
  const base = join(settings.codeDirectory, settings.handler.slice(0, dot));
  const name = settings.handler.slice(dot + 1);
  const below = relative(settings.codeDirectory, base);
  if (below.startsWith("..") || isAbsolute(below))
    throw new ImportModuleError(`the handler ${settings.handler} is outside of the code`);
  const file = [".mjs", ".js", ".cjs"]
    .map((ending) => base + ending)
    .find((path) => existsSync(path));
  if (file === undefined)
    throw new ImportModuleError(
      `Cannot find module '${below}' (.mjs, .js or .cjs) for the handler ${settings.handler}`,
    );
  const module = await loadModule(file);
  const found = module[name] ?? module.default?.[name];
  if (typeof found === "function") return found;
  throw new HandlerNotFound(
    `${settings.handler} is ${found === undefined ? "undefined or not exported" : "not a function"}`,
  );
}

/** At once where nothing in it awaits: half the work of an import with its promise for each step. */
function loadModule(file) {
  try {
    return require(file);
  } catch (error) {
    // Said before any of it has run; of what a module requires by itself, it is said again.
    if (error?.code === "ERR_REQUIRE_ASYNC_MODULE") return import(pathToFileURL(file).href);
    throw error;
  }
}

function initErrorType(error) {
  if (
    error instanceof ImportModuleError ||
    error?.code === "ERR_MODULE_NOT_FOUND" ||
    error?.code === "MODULE_NOT_FOUND"
  )
    return "Runtime.ImportModuleError";
  if (error instanceof HandlerNotFound) return "Runtime.HandlerNotFound";
  return error instanceof SyntaxError ? "Runtime.UserCodeSyntaxError" : undefined;
}

function onFrame(kind, callId, payload) {
  if (kind === INVOKE) startCall(callId, payload);
  else if (kind === CREDIT) calls.get(callId)?.answer?.credit(payload.readUInt32BE(0));
  else if (kind === CANCEL) cancelCall(calls.get(callId));
  else if (kind === DRAIN) {
    isDraining = true;
    if (calls.size === 0) exitSoon(0);
  }
}

function startCall(id, payload) {
  const headerEnd = 4 + payload.readUInt32BE(0);
  const header = JSON.parse(payload.toString("utf8", 4, headerEnd));
  const call = {
    id,
    requestId: header.requestId,
    abort: new AbortController(),
    deadlineAtMs: performance.now() + header.deadlineMs,
  };
  calls.set(id, call);
  // With several calls at once the environment could only be wrong.
  if (settings.concurrency === 1) setTraceEnvironment(header.xrayTraceId);
  currentCall.run(call, () => {
    try {
      const event = JSON.parse(payload.toString("utf8", headerEnd));
      if (isStreaming(handler)) return streamAnswer(call, event, header);
      const settle = (error, result) => (error ? fail(call, error) : succeed(call, result));
      const returned = handler(event, contextOf(call, header, settle), settle);
      if (typeof returned?.then === "function")
        returned.then(
          (result) => succeed(call, result),
          (error) => fail(call, error),
        );
      // A handler that takes a callback answers through it, unless it returned something.
      else if (handler.length < 3 || returned !== undefined) succeed(call, returned);
    } catch (error) {
      fail(call, error);
    }
  });
}

function cancelCall(call) {
  const reason = new Error("the caller is gone or out of time");
  call?.abort.abort(reason);
  call?.answer?.stream.destroy();
}

/** The call is over when both the handler and its stream are: a handler that pipes something into the stream may return early. */
function streamAnswer(call, event, header) {
  const { stream, ended, credit } = openAnswer({
    head: (said) => send(HEAD, call.id, said),
    part: (bytes) => send(PART, call.id, bytes),
  });
  call.answer = { stream, credit };
  const handled = (async () =>
    handler(
      event,
      stream,
      contextOf(call, header, () => {}),
    ))();
  handled.catch(() => stream.destroy());
  Promise.allSettled([handled, ended]).then((ends) => {
    const failed = ends.find(({ status }) => status === "rejected");
    if (failed === undefined) endCall(call, END, Buffer.alloc(0));
    else fail(call, failed.reason);
  });
}

/** Where libraries of AWS X-Ray look for the trace of the call. */
function setTraceEnvironment(traceId) {
  if (traceId !== undefined) process.env._X_AMZN_TRACE_ID = traceId;
  else delete process.env._X_AMZN_TRACE_ID;
}

function contextOf(call, header, settle) {
  return {
    functionName: header.functionName,
    functionVersion: header.functionVersion,
    invokedFunctionArn: `arn:meridian:lambda::${header.tenant}:function:${header.functionName}:${header.functionVersion}`,
    memoryLimitInMB: String(header.memoryMegabytes),
    awsRequestId: call.requestId,
    traceparent: header.traceparent,
    tracestate: header.tracestate,
    logGroupName: `/meridian/${header.tenant}/${header.functionName}`,
    logStreamName: settings.instance,
    callbackWaitsForEmptyEventLoop: false,
    signal: call.abort.signal,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(call.deadlineAtMs - performance.now())),
    done: settle,
    succeed: (result) => settle(null, result),
    fail: (error) => settle(error ?? new Error("the handler failed")),
  };
}

function succeed(call, result) {
  if (!calls.has(call.id)) return;
  let json;
  try {
    json = Buffer.from(JSON.stringify(result) ?? "");
  } catch (error) {
    return fail(call, error, "Runtime.MarshalError");
  }
  if (json.length > RESULT_BYTES_MAX)
    return fail(
      call,
      new Error(
        `Response payload size (${json.length} bytes) exceeded maximum allowed payload size (${RESULT_BYTES_MAX} bytes).`,
      ),
      "Function.ResponseSizeTooLarge",
    );
  endCall(call, RESULT, json);
}

function fail(call, error, type) {
  if (calls.has(call.id)) endCall(call, ERROR, errorPayload(error, type));
}

function endCall(call, kind, payload) {
  sayDropped();
  calls.delete(call.id);
  send(kind, call.id, payload);
  if (isDraining && calls.size === 0) exitSoon(0);
}

function errorPayload(error, type) {
  const isError =
    error instanceof Error || (typeof error === "object" && typeof error?.message === "string");
  if (!isError)
    return {
      errorMessage: typeof error === "string" ? error : format("%O", error),
      errorType: type ?? typeof error,
    };
  return {
    errorMessage: String(error.message),
    errorType: type ?? String(error.name ?? "Error"),
    stackTrace: String(error.stack ?? "").split("\n"),
  };
}

/** Everything written goes to the agent with the id of its call. Only once the handler is loaded: before, the launcher reads it. */
function captureOutput() {
  for (const stream of [process.stdout, process.stderr])
    stream.write = (chunk, encoding, done) => {
      const bytes =
        typeof chunk === "string"
          ? Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8")
          : Buffer.from(chunk);
      log(bytes);
      const written = typeof encoding === "function" ? encoding : done;
      if (written) process.nextTick(written);
      return true;
    };
}

function log(bytes) {
  if (agent.destroyed || agent.writableLength > UNSENT_BYTES_MAX) {
    droppedBytes += bytes.length;
    return;
  }
  sayDropped();
  const callId = currentCall.getStore()?.id ?? 0;
  for (let from = 0; from < bytes.length; from += LOG_BYTES_MAX)
    send(LOG, callId, bytes.subarray(from, from + LOG_BYTES_MAX));
}

function sayDropped() {
  if (droppedBytes === 0) return;
  const text = `[${droppedBytes} bytes of output were dropped: printed faster than they could be read, or while nobody could read them]\n`;
  droppedBytes = 0;
  send(LOG, currentCall.getStore()?.id ?? 0, Buffer.from(text));
}

function send(kind, callId, payload) {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload));
  const head = Buffer.allocUnsafe(9);
  head.writeUInt32BE(5 + bytes.length, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt32BE(callId, 5);
  agent.cork();
  agent.write(head);
  agent.write(bytes);
  agent.uncork();
}

/** After what was sent is on its way. */
function exitSoon(code) {
  setTimeout(() => exit(code), EXIT_GRACE_MS).unref();
  agent.end(() => exit(code));
}
