import assert from "node:assert/strict";
import { request as httpRequest, type ClientRequest } from "node:http";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import type { CallEnd, StreamingAnswer } from "../../../../agents/drivers/driver.ts";
import { callOnce, openDoor, type OpenedDoor } from "./open-door.ts";

const MODE = { "lambda-runtime-function-response-mode": "streaming" };
const WITH_HEAD = { "content-type": "application/vnd.awslambda.http-integration-response" };
const ZEROES = "\0".repeat(8);

interface Streaming {
  readonly opened: OpenedDoor;
  readonly outcome: Promise<CallEnd>;
  /** The runtime's side of the answer. */
  readonly sent: ClientRequest;
  readonly status: Promise<number | undefined>;
}

/** A call whose answer the runtime has begun to send in chunks. */
async function beginStream(
  t: TestContext,
  headers: Readonly<Record<string, string>>,
): Promise<Streaming> {
  const opened = await openDoor(t);
  const { outcome } = await callOnce(opened, "r-1");
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const sent = httpRequest(`http://${opened.address}/2018-06-01/runtime/invocation/r-1/response`, {
    method: "POST",
    headers: { ...headers, trailer: "Lambda-Runtime-Function-Error-Type" },
  });
  sent.on("response", (answer) => {
    answer.resume();
    resolve(answer.statusCode);
  });
  sent.on("error", () => resolve(undefined));
  sent.flushHeaders();
  t.after(() => sent.destroy());
  return { opened, outcome, sent, status: promise };
}

async function streamOf(outcome: Promise<CallEnd>): Promise<StreamingAnswer> {
  const end = await outcome;
  assert.equal(end.kind, "stream", JSON.stringify(end));
  return end.answer;
}

test("a streamed answer is there before it is whole", async (t) => {
  const { sent, outcome, status } = await beginStream(t, { ...MODE, "content-type": "text/css" });
  const { head, body, over } = await streamOf(outcome);
  assert.deepEqual(head, { headers: { "content-type": "text/css" } });
  sent.write("one,");
  sent.end("two");
  assert.equal(await text(body), "one,two");
  assert.deepEqual(await over, { kind: "whole" });
  assert.equal(await status, 202);
});

test("a head of status, headers and cookies may stand before it, cut anywhere", async (t) => {
  const { sent, outcome } = await beginStream(t, WITH_HEAD);
  const said = { statusCode: 201, headers: { "x-a": "1" }, cookies: ["a=1"] };
  for (const byte of JSON.stringify(said)) sent.write(byte);
  sent.write(ZEROES.slice(0, 3));
  sent.end(`${ZEROES.slice(3)}rest`);
  const { head, body } = await streamOf(outcome);
  assert.deepEqual(head, said);
  assert.equal(await text(body), "rest");
});

for (const [sentence, opening] of [
  ["ends before its head does", "{}"],
  ["has a head that is no JSON", `nonsense${ZEROES}body`],
  ["has a head without end", "x".repeat(200_000)],
] as const)
  test(`a streamed answer that ${sentence} is an error`, async (t) => {
    const { sent, outcome, status } = await beginStream(t, WITH_HEAD);
    sent.end(opening);
    const end = await outcome;
    assert.equal(end.kind, "error");
    assert.equal(end.error.errorType, "Runtime.InvalidStreamHead");
    assert.equal(await status, 202);
  });

test("an error in the trailers breaks the answer off", async (t) => {
  const { sent, outcome } = await beginStream(t, MODE);
  const { body, over } = await streamOf(outcome);
  sent.write("half");
  const said = Buffer.from('{"errorMessage":"lost","errorType":"Ignored"}').toString("base64");
  sent.addTrailers({
    "Lambda-Runtime-Function-Error-Type": "Greet.Lost",
    "Lambda-Runtime-Function-Error-Body": said,
  });
  sent.end();
  await assert.rejects(text(body));
  const error = { errorMessage: "lost", errorType: "Ignored" };
  assert.deepEqual(await over, { kind: "error", error });
});

test("a runtime that breaks off, or ends, breaks the answer off", async (t) => {
  const cut = await beginStream(t, MODE);
  const cutAnswer = await streamOf(cut.outcome);
  cut.sent.write("half");
  cut.sent.destroy();
  await assert.rejects(text(cutAnswer.body));
  assert.equal((await cutAnswer.over).kind, "error");

  const ended = await beginStream(t, MODE);
  const endedAnswer = await streamOf(ended.outcome);
  ended.opened.door.close({ kind: "exit", code: 1 });
  await assert.rejects(text(endedAnswer.body));
  assert.deepEqual(await endedAnswer.over, { kind: "ended", end: { kind: "exit", code: 1 } });
});

test("an answer that nobody takes is read to its end, and the runtime goes on", async (t) => {
  const { sent, outcome, status, opened } = await beginStream(t, MODE);
  const { body, over } = await streamOf(outcome);
  body.destroy();
  for (let part = 0; part < 32; part += 1) sent.write(Buffer.alloc(65_536));
  sent.end();
  assert.equal(await status, 202);
  assert.deepEqual(await over, { kind: "left" });
  const polled = opened.next();
  const next = opened.call("r-2");
  assert.equal((await polled).headers["lambda-runtime-aws-request-id"], "r-2");
  await opened.post("/invocation/r-2/response", "2");
  assert.equal((await next).kind, "result");
});

test("a caller who reads slowly slows the runtime down", async (t) => {
  const { sent, outcome } = await beginStream(t, MODE);
  const { body } = await streamOf(outcome);
  // More than all buffers between the two hold.
  const bytes = 64 * 1024 * 1024;
  let isFlushed = false;
  sent.end(Buffer.alloc(bytes), () => (isFlushed = true));
  await new Promise((resolve) => body.once("readable", resolve));
  assert.ok(!isFlushed);
  let read = 0;
  for await (const chunk of body) read += (chunk as Buffer).length;
  assert.equal(read, bytes);
});
