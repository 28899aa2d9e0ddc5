import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { runClosedLoop, runOpenLoop } from "../../../bench/drive/run-drive.ts";
import { CALL_NUMBER_PLACE, type OpenLoopPlan } from "../../../bench/drive/plan.ts";
import { machineNowMs } from "../../../lib/io/machine-clock.ts";

test("the closed loop ends once its requests are answered, in one piece or in several", async (t) => {
  let requests = 0;
  const url = await listen(t, (_request, response) => {
    requests += 1;
    response.write("first,");
    setImmediate(() => response.end("second"));
  });
  const result = await closedLoop(url, 50);
  assert.ok(result.requests >= 50);
  assert.equal(result.requests, requests);
  assert.equal(result.errors, 0);
  assert.ok(result.p99Micros >= result.p50Micros);
});

test("the closed loop counts answers other than 200 as errors, also between others", async (t) => {
  let requests = 0;
  const url = await listen(t, (_request, response) => {
    requests += 1;
    // "OK" and "NO": to the byte as long as each other.
    response.statusCode = requests % 2 === 0 ? 429 : 200;
    response.statusMessage = requests % 2 === 0 ? "NO" : "OK";
    response.end("same length");
  });
  const result = await closedLoop(url, 20);
  assert.ok(result.errors > 0 && result.requests > 0);
  assert.equal(result.firstError, "429 same length");
});

test("the open loop sends every call once, with its own number, and tells how each ended", async (t) => {
  const bodies: string[] = [];
  const url = await listen(t, (request, response) => {
    void text(request).then((body) => {
      bodies.push(body);
      if (bodies.length === 3) return response.writeHead(503).end('{"code":"MERIDIAN_SHED"}');
      return response.end(bodies.length === 5 ? "another's" : body);
    });
  });
  const calls = await openLoop(url, {});
  assert.equal(calls.length, 20);
  assert.equal(new Set(bodies).size, 20);
  assert.deepEqual(calls.flatMap(({ failure }) => failure ?? []).toSorted(), [
    "503 MERIDIAN_SHED",
    "answer of another call",
  ]);
});

test("a call without an answer times out, and those after it are sent all the same", async (t) => {
  let requests = 0;
  const url = await listen(t, (request, response) => {
    requests += 1;
    if (requests > 1) void text(request).then((body) => response.end(body));
  });
  const calls = await openLoop(url, { timeoutMs: 200 });
  const failures = calls.flatMap(({ failure }) => failure ?? []);
  assert.deepEqual(failures, ["timeout"]);
  assert.equal(requests, 20);
});

test("a connection that breaks under a call is that call's failure, and no other's", async (t) => {
  let requests = 0;
  const url = await listen(t, (request, response) => {
    requests += 1;
    if (requests === 4) return void request.socket.resetAndDestroy();
    return void text(request).then((body) => response.end(body));
  });
  const calls = await openLoop(url, {});
  const failures = calls.flatMap(({ failure }) => failure ?? []);
  assert.equal(failures.length, 1);
  assert.match(failures[0] ?? "", /^broken: /);
});

const closedLoop = (url: string, requestsMin: number) =>
  runClosedLoop({ url, headers: {}, body: "hello", connections: 2, seconds: 0, requestsMin });

const openLoop = (url: string, changes: Partial<OpenLoopPlan>) =>
  runOpenLoop({
    url,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ id: CALL_NUMBER_PLACE }),
    isNumberAnswered: true,
    startAtMs: machineNowMs() + 200,
    perSecond: 200,
    seconds: 0.1,
    timeoutMs: 5_000,
    ...changes,
  });

async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
