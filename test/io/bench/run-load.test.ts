import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { runLoad } from "../../../bench/run-load.ts";

test("every request of the load is answered, has its own id, and is counted", async () => {
  const ids = new Set<string>();
  const result = await load((request, response) => {
    ids.add(String(request.headers["x-request-id"]));
    response.setHeader("content-type", "application/json");
    // Without a length the answer is chunked, and arrives in pieces.
    response.write('{"greeting":');
    setImmediate(() => response.end('"Hello"}'));
  });
  assert.ok(result.requests > 0);
  assert.equal(result.errors, 0);
  assert.equal(ids.size, result.requests);
  assert.ok(result.p50Micros > 0 && result.p99Micros >= result.p50Micros);
});

test("answers other than 200 are errors, and the first is told", async () => {
  const result = await load((_request, response) => {
    response.statusCode = 429;
    response.end("used up");
  });
  assert.equal(result.requests, 0);
  assert.ok(result.errors > 0);
  assert.equal(result.firstError, "429 used up");
});

test("a server that hangs up ends the load with an error", async () => {
  const result = await load((request) => request.socket.destroy());
  assert.equal(result.requests, 0);
  assert.equal(result.errors, 2, "one for each connection");
});

async function load(listener: RequestListener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    return await runLoad({
      url: `http://127.0.0.1:${port}/`,
      headers: { "content-type": "text/plain" },
      body: "hello",
      connections: 2,
      seconds: 0.2,
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
