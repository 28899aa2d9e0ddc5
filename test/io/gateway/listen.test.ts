import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { text } from "node:stream/consumers";
import { listen, portOf, stopListening } from "../../../gateway/io/listen.ts";

/** Fewer than may wait for a server to accept them. */
const CALLERS = 100;

test("a server that stops listening resets nobody who waits to be accepted", async () => {
  const server = createServer((socket) => socket.end("hello"));
  await listen(server, { host: "127.0.0.1", port: 0 });
  const port = portOf(server);
  const told = Promise.allSettled(
    Array.from({ length: CALLERS }, () => text(connect(port, "127.0.0.1"))),
  );
  // Connections are begun after this turn, and before the loop looks whom it could accept.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  await stopListening(server);
  assert.deepEqual(
    new Set((await told).map((one) => one.status === "fulfilled" && one.value)),
    new Set(["hello"]),
  );
  const late = connect(port, "127.0.0.1");
  await assert.rejects(once(late, "connect"), { code: "ECONNREFUSED" });
});
