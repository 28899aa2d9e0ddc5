import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import { promisify } from "node:util";
import { callOnce, openDoor, untilReady, WALL_MS } from "./open-door.ts";

const SIX_MEBIBYTES = 6 * 1024 * 1024;
const answered = (json: string) => ({ kind: "result", json: Buffer.from(json) });

test("a runtime that asks gets the call, and its answer ends it", async (t) => {
  const opened = await openDoor(t);
  const { polled, outcome } = await callOnce(opened, "r-1", { name: "Ann" });
  assert.equal(polled.text, '{"name":"Ann"}');
  assert.equal(polled.headers["lambda-runtime-aws-request-id"], "r-1");
  assert.equal(polled.headers["lambda-runtime-deadline-ms"], String(WALL_MS + 3_000));
  const accepted = await opened.post("/invocation/r-1/response", '"Hello Ann"');
  assert.deepEqual([accepted.status, accepted.text], [202, '{"status":"OK"}']);
  assert.deepEqual(await outcome, answered('"Hello Ann"'));
  assert.deepEqual(opened.told, ["ready"]);
});

test("a call that comes before the runtime asks again waits for it", async (t) => {
  const opened = await openDoor(t);
  const first = await callOnce(opened, "r-1");
  await opened.post("/invocation/r-1/response", "1");
  assert.deepEqual(await first.outcome, answered("1"));
  const second = opened.call("r-2");
  assert.equal((await opened.next()).headers["lambda-runtime-aws-request-id"], "r-2");
  await opened.post("/invocation/r-2/response", "2");
  assert.deepEqual(await second, answered("2"));
});

const answers = [
  ["nothing", "", ""],
  ["JSON as it is", '{"a":[1]}', '{"a":[1]}'],
  ["other text as a string", "SUCCESS", '"SUCCESS"'],
  ["broken JSON as a string", '{"a":', '"{\\"a\\":"'],
] as const;

for (const [sentence, body, json] of answers)
  test(`an answer may be ${sentence}`, async (t) => {
    const opened = await openDoor(t);
    const { outcome } = await callOnce(opened, "r-1");
    await opened.post("/invocation/r-1/response", body);
    assert.deepEqual(await outcome, answered(json));
  });

test("an error is told as the runtime said it, frames of compiled languages included", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  const frames = [{ path: "main.go", line: 7, label: "greet" }, "as text", { other: 1 }];
  const said = { errorMessage: "no words", errorType: "errorString", stackTrace: frames };
  // Clients of AWS send the same once more for X-Ray, in a header.
  const cause = { "lambda-runtime-function-xray-error-cause": "x".repeat(500_000) };
  const posted = await opened.post("/invocation/r-1/error", JSON.stringify(said), cause);
  assert.equal(posted.status, 202);
  void opened.next().catch(() => undefined);
  const stackTrace = ["greet (main.go:7)", "as text", '{"other":1}'];
  assert.deepEqual(await outcome, { kind: "error", error: { ...said, stackTrace } });
});

test("an error without a body has the type of its header", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  const type = { "lambda-runtime-function-error-type": "Greet.NoName" };
  await opened.post("/invocation/r-1/error", "not JSON", type);
  void opened.next().catch(() => undefined);
  const error = { errorType: "Greet.NoName", errorMessage: "" };
  assert.deepEqual(await outcome, { kind: "error", error });
});

test("an error after which the process ends is a crash", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  await opened.post("/invocation/r-1/error", '{"errorMessage":"boom","errorType":"panic"}');
  opened.door.close({ kind: "exit", code: 1 });
  const error = { errorMessage: "boom", errorType: "panic", isCrash: true };
  assert.deepEqual(await outcome, { kind: "error", error });
});

test("an error is not held back for ever by a runtime that does nothing more", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  await opened.post("/invocation/r-1/error", '{"errorMessage":"m","errorType":"T"}');
  const error = { errorMessage: "m", errorType: "T" };
  assert.deepEqual(await outcome, { kind: "error", error });
});

test("a call is answered once, and only while it runs", async (t) => {
  const opened = await openDoor(t);
  const refused = { errorMessage: "Invalid request ID", errorType: "InvalidRequestID" };
  const assertRefused = async (path: string): Promise<void> => {
    const answer = await opened.post(path, "1");
    assert.deepEqual([answer.status, JSON.parse(answer.text)], [400, refused]);
  };
  await assertRefused("/invocation/r-1/response");
  const { outcome } = await callOnce(opened, "r-1");
  await assertRefused("/invocation/r-2/response");
  await opened.post("/invocation/r-1/response", "1");
  await assertRefused("/invocation/r-1/response");
  await assertRefused("/invocation/r-1/error");
  assert.deepEqual(await outcome, answered("1"));
});

test("a runtime has no more calls than its concurrency, and of each its own answer", async (t) => {
  const one = await openDoor(t);
  await callOnce(one, "r-1");
  const early = await one.next();
  assert.equal(early.status, 403);
  assert.equal(JSON.parse(early.text).errorType, "InvalidStateTransition");

  const two = await openDoor(t, { concurrency: 2 });
  const polls = [two.next(), two.next()];
  await untilReady(two);
  // The same id twice, as a caller may send it.
  const outcomes = [two.call("r-1", "a"), two.call("r-1", "b")];
  const polled = await Promise.all(polls);
  for (const { headers, text } of polled)
    await two.post(
      `/invocation/${String(headers["lambda-runtime-aws-request-id"])}/response`,
      text,
    );
  assert.deepEqual(await Promise.all(outcomes), [answered('"a"'), answered('"b"')]);
});

test("an init error ends the start, and comes too late after it", async (t) => {
  const failing = await openDoor(t);
  const body = '{"errorMessage":"no handler","errorType":"Runtime.NoSuchHandler"}';
  assert.equal((await failing.post("/init/error", body)).status, 202);
  assert.deepEqual(failing.told, ["init error Runtime.NoSuchHandler: no handler"]);

  const ready = await openDoor(t);
  await callOnce(ready, "r-1");
  assert.equal((await ready.post("/init/error", body)).status, 403);
  assert.deepEqual(ready.told, ["ready"]);
});

for (const [how, body] of [
  ["announced", Buffer.alloc(SIX_MEBIBYTES + 1, 0x31)],
  ["unannounced", Readable.from(mebibytes(7))],
] as const)
  test(`an answer over six mebibytes, ${how}, is the function's error`, async (t) => {
    const opened = await openDoor(t);
    const { outcome } = await callOnce(opened, "r-1");
    const refused = await opened.post("/invocation/r-1/response", body);
    assert.equal(refused.status, 413);
    assert.equal(JSON.parse(refused.text).errorType, "RequestEntityTooLarge");
    const end = await outcome;
    assert.equal(end.kind, "error");
    assert.equal(end.error.errorType, "Function.ResponseSizeTooLarge");
  });

test("an answer of exactly six mebibytes is taken", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  const body = Buffer.alloc(SIX_MEBIBYTES, 0x31);
  body.write('"', 0);
  body.write('"', SIX_MEBIBYTES - 1);
  assert.equal((await opened.post("/invocation/r-1/response", body)).status, 202);
  const end = await outcome;
  assert.equal(end.kind, "result");
  assert.ok(end.json.equals(body));
});

test("nonsense is answered with 404, and harms no call", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  for (const path of ["/", "/2018-06-01/runtime/invocation/r-1/response", "/%00", "/2020-01-01/x"])
    assert.equal((await opened.get(path)).status, 404);
  const raw = connect(Number(opened.address.split(":")[1]), "127.0.0.1");
  raw.on("error", () => undefined);
  raw.write("NONSENSE\r\n\r\n");
  raw.resume();
  await once(raw, "close");
  await opened.post("/invocation/r-1/response", "1");
  assert.deepEqual(await outcome, answered("1"));
});

test("an answer that breaks off may be given again", async (t) => {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  const raw = connect(Number(opened.address.split(":")[1]), "127.0.0.1");
  raw.write("POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1\r\nHost: x\r\n");
  raw.end("Content-Length: 100\r\n\r\nhalf");
  raw.resume();
  await once(raw, "close");
  assert.equal((await opened.post("/invocation/r-1/response", "2")).status, 202);
  assert.deepEqual(await outcome, answered("2"));
});

test("the end of an instance ends what it had, and what it never got was not begun", async (t) => {
  const opened = await openDoor(t, { concurrency: 2 });
  const { outcome } = await callOnce(opened, "r-1");
  const waiting = opened.call("r-2");
  opened.door.close({ kind: "exit", code: 7 });
  assert.deepEqual(await outcome, { kind: "ended", end: { kind: "exit", code: 7 } });
  assert.deepEqual(await waiting, { kind: "not-begun" });
  assert.deepEqual(await opened.call("r-3"), { kind: "not-begun" });
  await assert.rejects(opened.next());
});

test("output belongs to the call that runs, or ran last", async (t) => {
  const opened = await openDoor(t);
  assert.equal(opened.door.requestIdOfOutput?.(), undefined);
  await callOnce(opened, "r-1");
  assert.equal(opened.door.requestIdOfOutput?.(), "r-1");
  await opened.post("/invocation/r-1/response", "1");
  assert.equal(opened.door.requestIdOfOutput?.(), "r-1");
});

const isOnLinux = process.platform === "linux";
const needsProc = isOnLinux ? {} : { skip: "there is no /proc to ask who connects" };

test("a neighbour's process is cut, a child of the instance is served", needsProc, async (t) => {
  const neighbour = spawn("sleep", ["60"]);
  t.after(() => neighbour.kill("SIGKILL"));
  const theirs = await openDoor(t, { pid: neighbour.pid ?? 0 });
  await assert.rejects(theirs.next(), /other side closed|ECONNRESET|socket hang up/);
  assert.deepEqual(theirs.told, []);

  const ours = await openDoor(t);
  const script = `fetch("http://${ours.address}/2018-06-01/runtime/init/error", { method: "POST", body: "{}" })
    .then(({ status }) => console.log(status))`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", script]);
  assert.equal(stdout, "202\n");
});

function* mebibytes(count: number): Generator<Buffer> {
  for (let index = 0; index < count; index += 1) yield Buffer.alloc(1024 * 1024, 0x31);
}
