import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { describe, test } from "node:test";
import { openHttp2 } from "./door-clients.ts";
import { DEMO_KEY, eventually } from "./run-gateway.ts";
import type { StandInCall } from "./stream-agent.ts";
import { headOf, openCaller, openStreamWorld, passThreeLimits } from "./stream-world.ts";

const KIBIBYTE = 1024;
const EVENTS = { status: 200, headers: { "content-type": "text/event-stream" } };
const get = (...headers: readonly string[]): string =>
  headOf("GET /fn/demo/server/ HTTP/1.1", ...headers);

describe("answers that are streamed", { timeout: 60_000 }, () => {
  test("an event leaves when it is there, and so does a head that no body follows yet", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.answer(EVENTS);
    const caller = openCaller(world.gateway);
    caller.write(get());
    await eventually(() => caller.text().includes("text/event-stream"));
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      world.agent.calls[0]?.part(event);
      await eventually(() => caller.text().includes(event));
    }
    world.agent.calls[0]?.end();
    await eventually(() => caller.text().endsWith("0\r\n\r\n"));
    caller.socket.destroy();
  });

  test("a stream that has nothing to say is cut by no limit of the door", async () => {
    await using world = await openStreamWorld({
      stallMs: 200,
      idleTimeoutMs: 200,
      headersTimeoutMs: 200,
    });
    world.agent.serve = (call) => call.answer(EVENTS, ": hello\n\n");
    const caller = openCaller(world.gateway);
    caller.write(get());
    await eventually(() => caller.text().includes("hello"));
    const session = await openHttp2(world.gateway.publicUrl);
    const stream = session.request({ ":path": "/fn/demo/open/" });
    let said = "";
    stream.on("data", (chunk) => (said += String(chunk)));
    await eventually(() => said.includes("hello"));
    await passThreeLimits(world.gateway);
    for (const call of world.agent.calls) call.part("data: late\n\n");
    await eventually(() => caller.text().includes("late") && said.includes("late"));
    caller.socket.destroy();
    session.destroy();
  });

  test("a reader that stands still holds up the agent: no more is on its way than the credit", async () => {
    await using world = await openStreamWorld();
    let sentBytes = 0;
    let isWanted = true;
    const fill = (call: StandInCall): void => {
      const room = Math.min(call.creditBytes(), 64 * KIBIBYTE);
      if (room > 0) {
        call.part(Buffer.alloc(room));
        sentBytes += room;
      }
      if (isWanted) setImmediate(fill, call);
    };
    world.agent.serve = (call) => {
      call.answer({ status: 200, headers: {} });
      void call.cancelled.then(() => (isWanted = false));
      fill(call);
    };
    const caller = openCaller(world.gateway);
    caller.socket.pause();
    caller.write(get());
    // What the system takes on both sides ends at some point, and with it what the agent may send.
    let before = -1;
    await eventually(async () => {
      const isStill = sentBytes > 0 && sentBytes === before;
      before = sentBytes;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return isStill && sentBytes === before;
    });
    const stillBytes = sentBytes;
    assert.ok(stillBytes < 16 * KIBIBYTE * KIBIBYTE, `${stillBytes} bytes for nobody`);
    caller.socket.resume();
    await eventually(() => sentBytes > stillBytes * 2);
    caller.socket.destroy();
    await world.agent.calls[0]?.cancelled;
  });

  test("a caller that leaves is told to the agent at once", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.answer(EVENTS, "data: 1\n\n");
    const caller = openCaller(world.gateway);
    caller.write(get());
    await eventually(() => caller.text().includes("data: 1"));
    caller.socket.destroy();
    await world.agent.calls[0]?.cancelled;
  });

  test("trailers follow the chunks, but for those that may not", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => {
      call.answer({ status: 200, headers: { trailer: "x-sum, content-length" } }, "body");
      call.end({ "x-sum": "44", "content-length": "5", "meridian-zone": "evil" });
    };
    const sending = request(`${world.gateway.publicUrl}/fn/demo/open/`);
    sending.end();
    const [answer] = await once(sending, "response");
    assert.equal(answer.headers.trailer, "x-sum");
    answer.resume();
    await once(answer, "end");
    assert.deepEqual({ ...answer.trailers }, { "x-sum": "44" });

    const session = await openHttp2(world.gateway.publicUrl);
    const stream = session.request({ ":path": "/fn/demo/open/" });
    const trailers = once(stream, "trailers");
    stream.resume();
    const [said] = await trailers;
    assert.equal(said["x-sum"], "44");
    assert.equal(said["meridian-zone"], undefined);
    session.destroy();
  });
});

/** What an agent does in the middle of an answer, and how its caller can tell. */
const MISBEHAVIOURS: readonly (readonly [name: string, serve: (call: StandInCall) => void])[] = [
  ["breaks it off", (call) => call.broken()],
  ["cuts its link", (call) => call.cutLink()],
  ["says an end that is none", (call) => call.end("nonsense" as never)],
];

describe("an agent that", { timeout: 60_000 }, () => {
  for (const [name, misbehave] of MISBEHAVIOURS)
    test(`${name} in the middle of an answer cuts the caller's connection`, async () => {
      await using world = await openStreamWorld();
      world.agent.serve = (call) => call.answer({ status: 200, headers: {} }, "half of it");
      const caller = openCaller(world.gateway);
      caller.write(get());
      await eventually(() => caller.text().includes("half of it"));
      const [call] = world.agent.calls;
      if (call !== undefined) misbehave(call);
      await caller.closed;
      assert.ok(!caller.text().endsWith("0\r\n\r\n"));
      caller.socket.destroy();
    });

  test("breaks an answer off whose end only the connection's end tells resets it", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.answer({ status: 200, headers: {} }, "half of it");
    const caller = openCaller(world.gateway);
    caller.write("GET /fn/demo/open/ HTTP/1.0\r\n\r\n");
    await eventually(() => caller.text().includes("half of it"));
    assert.doesNotMatch(caller.text(), /transfer-encoding/i);
    world.agent.calls[0]?.broken();
    assert.equal(await caller.closed, "reset");
    caller.socket.destroy();
  });

  test("never ends its answer is cut at the call's deadline", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.answer(EVENTS, "data: 1\n\n");
    const caller = openCaller(world.gateway);
    caller.write(get("Meridian-Timeout-Ms: 300"));
    await eventually(() => caller.text().includes("data: 1"));
    await caller.closed;
    assert.ok(!caller.text().endsWith("0\r\n\r\n"));
    await world.agent.calls[0]?.cancelled;
    caller.socket.destroy();
  });

  test("answers 101 where nobody asked for it has failed", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.answer({ status: 101, headers: {} });
    const answer = await fetch(`${world.gateway.publicUrl}/fn/demo/open/`);
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), /answered 101, which nobody asked for/);
  });

  test("streams an answer to HEAD is told that nobody wants the body", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.answer({ status: 200, headers: { "x-a": "1" } }, "body");
    const caller = openCaller(world.gateway);
    caller.write(headOf("HEAD /fn/demo/server/ HTTP/1.1"));
    caller.write("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.equal(await caller.closed, "end");
    assert.match(caller.text(), /x-a: 1.*HTTP\/1\.1 200.*ok\n$/s);
    assert.doesNotMatch(caller.text(), /body/);
    await world.agent.calls[0]?.cancelled;
    caller.socket.destroy();
  });
});

test("the bytes of both directions are counted", async () => {
  await using world = await openStreamWorld();
  world.agent.serve = (call) => {
    call.giveCredit(1_000);
    call.answer({ status: 200, headers: {} }, "12345");
    void call.bodyEnded.then(() => call.end());
  };
  const sending = request(`${world.gateway.publicUrl}/fn/demo/server/`, {
    method: "POST",
    headers: { authorization: `Bearer ${DEMO_KEY}`, "transfer-encoding": "chunked" },
  });
  sending.end("123");
  const [answer] = await once(sending, "response");
  answer.resume();
  await once(answer, "end");
  const metrics = await (await fetch(`${world.gateway.admin.url}/metrics`)).text();
  assert.match(metrics, /streamed_bytes_total\{[^}]*direction="in"[^}]*\} 3\n/);
  assert.match(metrics, /streamed_bytes_total\{[^}]*direction="out"[^}]*\} 5\n/);
});
