import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export const echo = async (event, context) => ({
  event,
  requestId: context.awsRequestId,
  function: `${context.functionName}@${context.functionVersion}`,
  memory: context.memoryLimitInMB,
  remainingMs: context.getRemainingTimeInMillis(),
  pid: process.pid,
});
export const traced = (event, context) => ({
  traceparent: context.traceparent,
  tracestate: context.tracestate,
  environment: process.env._X_AMZN_TRACE_ID,
});
export const text = () => "plain words";
export const nothing = async () => {};
export const withCallback = (event, context, done) => {
  setTimeout(() => done(null, { event, way: "callback" }), 5);
};
export const throws = async () => {
  throw new RangeError("too far");
};
export const throwsText = () => {
  throw "just words";
};
export const never = () => new Promise(() => {});
export const spins = () => {
  for (;;);
};
export const exits = () => process.exit(7);
export const crashesLater = () =>
  new Promise(() => {
    setTimeout(() => {
      throw new TypeError("nobody catches this");
    }, 5);
  });
export const rejectsUnhandled = () =>
  new Promise(() => {
    void Promise.reject(new Error("nobody awaits this"));
  });
export const huge = (event) => "x".repeat(event.bytes);
export const prints = (event) => {
  console.log("one line");
  process.stderr.write("and one to stderr\n");
  for (let count = 0; count < (event?.lines ?? 0); count += 1)
    console.log(`line ${count} ${"#".repeat(200)}`);
  return "printed";
};
export const sleeps = async (event) => {
  await sleep(event.ms);
  return { pid: process.pid };
};
export const saysWho = async (event, context) => {
  await sleep(event.ms ?? 0);
  return { instance: context.logStreamName };
};
export const blocks = (event, context) => {
  for (const endMs = performance.now() + (event.ms ?? 0); performance.now() < endMs;);
  return { instance: context.logStreamName };
};
export const fillsHeap = () => {
  const kept = [];
  for (;;) kept.push(new Array(100_000).fill(Math.random()));
};
export const fillsBuffers = async () => {
  const kept = [];
  for (;;) {
    kept.push(Buffer.alloc(16 * 1024 * 1024, 1));
    await sleep(5);
  }
};
export const environment = () => ({ ...process.env, cwd: process.cwd() });
export const forks = async () => {
  const child = spawn("sleep", ["300"], { stdio: "ignore" });
  return { pid: process.pid, childPid: child.pid };
};
export const escapes = async () => {
  const child = spawn("sleep", ["300"], { stdio: "ignore", detached: true });
  child.unref();
  return { pid: process.pid, childPid: child.pid };
};
export const url = (event) => ({
  statusCode: 201,
  headers: { "x-shape": event.version, "content-type": "text/html" },
  cookies: ["a=1; Path=/", "b=2"],
  body: `<p>${event.requestContext.http.method} ${event.rawPath}?${event.rawQueryString}</p>`,
});
export const url64 = () => ({
  statusCode: 200,
  body: Buffer.from([0, 255, 10]).toString("base64"),
  isBase64Encoded: true,
});
export const hostile = () => ({
  statusCode: 200,
  headers: { "x-bad": "a\r\nmeridian-executed: false" },
  body: "",
});
export const forges = () => ({
  statusCode: 200,
  headers: { "meridian-executed": "false", "content-length": "999", connection: "close" },
  body: "ok",
});
export const circular = () => {
  const self = {};
  self.self = self;
  return self;
};
/** Writes each start to a file of the test's, and answers no two calls alike. */
export const counts = async ({ ledger, id = "one", ms = 0, manner = "answers" }) => {
  appendFileSync(ledger, `${id};`);
  await sleep(ms);
  if (manner === "exits") process.exit(1);
  if (manner === "throws") throw new Error("as told");
  return { said: Math.random(), text: manner === "is-large" ? "x".repeat(100_000) : "" };
};
