import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openHttp2 } from "./door-clients.ts";
import { DEMO_KEY, eventually } from "./run-gateway.ts";
import type { StandInCall } from "./stream-agent.ts";
import {
  headOf,
  openCaller,
  openSecureCaller,
  openStreamWorld,
  type RawCaller,
  type StreamWorld,
} from "./stream-world.ts";

const folder = join(import.meta.dirname, "certificates");
const tls = {
  port: 0,
  certificateFile: join(folder, "first.pem"),
  keyFile: join(folder, "first.key.pem"),
};
const DOORS = [
  { name: "TCP", fastLane: "off", open: openCaller },
  { name: "TCP, fast lane on", fastLane: "on", open: openCaller },
  { name: "TLS", fastLane: "off", open: openSecureCaller },
] as const;
const OK = { status: 200, headers: { "content-type": "text/plain" } };
const GO_ON = "HTTP/1.1 100 Continue\r\n\r\n";
/** As long as the link takes it whole. */
const LONG = "x".repeat(900 * 1024);

/** No limit of time ends the call before the test is over. */
const PATIENT = "Meridian-Timeout-Ms: 600000";

const get = (path = ""): string => headOf(`GET /fn/demo/server/${path} HTTP/1.1`);
const post = headOf("POST /fn/demo/server/ HTTP/1.1", "Content-Length: 4");

/** With an agent that answers nothing by itself. */
async function openSilentWorld(fastLane: "on" | "off"): Promise<StreamWorld> {
  const world = await openStreamWorld({ tls, fastLane });
  world.agent.serve = () => undefined;
  return world;
}

/** The one that reached the agent behind so many others. */
async function callAfter({ agent: { calls } }: StreamWorld, before: number): Promise<StandInCall> {
  await eventually(() => calls.length > before);
  const call = calls[before];
  assert.ok(call !== undefined);
  return call;
}

/** The gateway has noticed that the caller has ended its side. */
const isTold = (caller: RawCaller): Promise<void> =>
  eventually(() => caller.text().startsWith(GO_ON));

for (const { name, fastLane, open } of DOORS)
  describe(`a caller that ends its side of ${name}`, { timeout: 60_000 }, () => {
    let world: StreamWorld;
    before(async () => {
      world = await openSilentWorld(fastLane);
    });
    after(() => world[Symbol.asyncDispose]());

    test("behind its request gets its answer, however late that comes", async () => {
      for (const request of [get(), `${post}body`]) {
        const before = world.agent.calls.length;
        const caller = open(world.gateway);
        caller.write(request);
        const call = await callAfter(world, before);
        caller.socket.end();
        await isTold(caller);
        call.answerWhole(OK, "an answer");
        assert.equal(await caller.closed, "end");
        assert.match(caller.text(), /\r\n\r\nHTTP\/1\.1 200 [^]*\r\n\r\nan answer$/);
      }
    });

    test("gets a streamed answer to its end", async () => {
      const before = world.agent.calls.length;
      const caller = open(world.gateway);
      caller.write(get());
      const call = await callAfter(world, before);
      caller.socket.end();
      await isTold(caller);
      call.answer(OK, "one ");
      await eventually(() => caller.text().includes("one "));
      call.part("two");
      call.end();
      assert.equal(await caller.closed, "end");
      assert.match(caller.text(), /one \r\n3\r\ntwo\r\n0\r\n\r\n$/);
    });

    test("behind several requests gets all their answers, in order", async () => {
      const before = world.agent.calls.length;
      const caller = open(world.gateway);
      caller.write(get("1") + get("2"));
      const first = await callAfter(world, before);
      caller.socket.end();
      first.answerWhole(OK, "first");
      (await callAfter(world, before + 1)).answerWhole(OK, "second");
      assert.equal(await caller.closed, "end");
      assert.match(
        caller.text(),
        /first(HTTP\/1\.1 100 Continue\r\n\r\n)*HTTP\/1\.1 200 [^]*second$/,
      );
    });

    test("while a long answer is on its way gets the rest of it", async () => {
      const before = world.agent.calls.length;
      const caller = open(world.gateway);
      caller.write(get());
      const call = await callAfter(world, before);
      caller.socket.pause();
      call.answerWhole(OK, LONG);
      caller.socket.end();
      caller.socket.resume();
      assert.equal(await caller.closed, "end");
      assert.ok(caller.text().endsWith(`\r\n\r\n${LONG}`));
    });

    test("and is gone is noticed, and its call cancelled", async () => {
      const before = world.agent.calls.length;
      const caller = open(world.gateway);
      caller.write(headOf("GET /fn/demo/server/ HTTP/1.1", PATIENT));
      const call = await callAfter(world, before);
      caller.socket.destroy();
      await call.cancelled;
    });

    test("under a stream that says nothing is taken to be gone", async () => {
      const before = world.agent.calls.length;
      const caller = open(world.gateway);
      caller.write(get());
      const call = await callAfter(world, before);
      call.answer(OK, "begun");
      await eventually(() => caller.text().includes("begun"));
      caller.socket.end();
      await call.cancelled;
      await caller.closed;
    });
  });

test("a caller of HTTP/1.0 is answered, and told nothing before", { timeout: 60_000 }, async () => {
  await using world = await openSilentWorld("off");
  const before = world.agent.calls.length;
  const caller = openCaller(world.gateway);
  caller.socket.end(headOf("GET /fn/demo/server/ HTTP/1.0"));
  (await callAfter(world, before)).answerWhole(OK, "an answer");
  assert.equal(await caller.closed, "end");
  assert.match(caller.text(), /^HTTP\/1\.[01] 200 [^]*an answer$/);
});

describe("over HTTP/2", { timeout: 60_000 }, () => {
  let world: StreamWorld;
  before(async () => {
    world = await openSilentWorld("off");
  });
  after(() => world[Symbol.asyncDispose]());

  test("a caller that says goodbye gets the answers that are under way", async () => {
    const before = world.agent.calls.length;
    const session = await openHttp2(world.gateway.publicUrl);
    const stream = session.request({
      ":path": "/fn/demo/server/",
      authorization: `Bearer ${DEMO_KEY}`,
    });
    let text = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const call = await callAfter(world, before);
    session.close();
    call.answer(OK, "one ");
    await eventually(() => text === "one ");
    call.part("two");
    call.end();
    await eventually(() => session.closed && text === "one two");
  });

  test("an end of the connection is the end of all that is under way on it", async () => {
    const before = world.agent.calls.length;
    const { socket } = openCaller(world.gateway);
    const session = connectHttp2(world.gateway.publicUrl, { createConnection: () => socket });
    session.on("error", () => undefined);
    const stream = session.request({
      ":path": "/fn/demo/server/",
      authorization: `Bearer ${DEMO_KEY}`,
    });
    stream.on("error", () => undefined);
    const call = await callAfter(world, before);
    socket.end();
    await call.cancelled;
    session.destroy();
  });
});

describe("an agent that ends its side of the link", { timeout: 60_000 }, () => {
  test("behind an answer has given it, and calls that it did not answer fail at once", async () => {
    await using other = await openSilentWorld("off");
    const answered = openCaller(other.gateway);
    const unanswered = openCaller(other.gateway);
    answered.write(get());
    await eventually(() => other.agent.calls.length === 1);
    unanswered.write(get());
    await eventually(() => other.agent.calls.length === 2);
    const [first] = other.agent.calls;
    first?.answerWhole(OK, LONG);
    first?.endLink();
    await eventually(() => answered.text().endsWith(LONG));
    await eventually(() => /^HTTP\/1\.1 50[23] /.test(unanswered.text()));
    answered.socket.destroy();
    unanswered.socket.destroy();
  });
});
