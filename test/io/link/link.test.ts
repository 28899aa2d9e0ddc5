import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { test } from "node:test";
import { pino } from "pino";
import { LINK_CREDIT_BYTES, LINK_FRAME, LINK_PART_BYTES_MAX } from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeHeadedFrame } from "#lib/frames.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { callOnLink } from "../../../agents/io/call-on-link.ts";
import { openAgentClient } from "../../../gateway/io/open-agent-client.ts";
import type { Outcome } from "../../../gateway/ports.ts";
import {
  answerOf,
  bodyOf,
  BOOT_TOKEN,
  caller,
  cuttingProxy,
  listenRaw,
  startLinkWorld,
} from "./link-world.ts";

/** `MERIDIAN_FAULTS=10000` for the long run. */
const CUTS = Number(process.env["MERIDIAN_FAULTS"] ?? 400);
const SIZES = [0, 1, LINK_PART_BYTES_MAX, LINK_PART_BYTES_MAX + 1, 6 * 1024 * 1024];
const failureOf = (outcome: Outcome): string =>
  outcome.kind === "failed" ? outcome.failure : outcome.kind;

for (const startsOn of ["go", "slot"] as const)
  test(`bodies of all sizes go up and come back as they were, on ${startsOn}`, async (t) => {
    const { call } = await startLinkWorld(t);
    for (const size of SIZES) {
      const body = randomBytes(size);
      assert.ok((await bodyOf(await call(`of ${size}`, { body, startsOn }))).equals(body));
    }
  });

test("status and headers come as the agent gave them, repeated ones too", async (t) => {
  const headers = { "content-type": "text/x", "set-cookie": ["a=1", "b=2"] };
  const { call } = await startLinkWorld(t, {
    handle: () => Promise.resolve(answerOf(418, "teapot", headers)),
  });
  const outcome = await call("one");
  assert.equal(outcome.kind, "answered");
  assert.ok(outcome.kind === "answered");
  assert.equal(outcome.answer.status, 418);
  assert.deepEqual(outcome.answer.headers, headers);
});

test("an answer whose head no frame holds is 502 for its own call, and the link goes on", async (t) => {
  const { call } = await startLinkWorld(t, {
    handle: (exchange) =>
      Promise.resolve(
        exchange.headers["x-request-id"] === "long"
          ? answerOf(200, "", { "x-long": "x".repeat(2_000_000), "meridian-executed": "true" })
          : answerOf(200, "fine"),
      ),
  });
  const [long, other] = await Promise.all([call("long"), call("other")]);
  assert.ok(long.kind === "answered", failureOf(long));
  assert.equal(long.answer.status, 502);
  assert.equal(long.answer.headers["meridian-executed"], "true");
  assert.match((await bodyOf(long)).toString(), /MERIDIAN_FUNCTION_FAILED/);
  assert.equal((await bodyOf(other)).toString(), "fine");
});

test("calls share one connection, and a small one passes a large one", async (t) => {
  let connections = 0;
  const { call, server } = await startLinkWorld(t, {
    through: (url) => {
      const open = cuttingProxy(t, () => {
        connections += 1;
        return { toAgent: Infinity, toGateway: Infinity };
      });
      return open(url);
    },
  });
  assert.ok(server.url.length > 0);
  const order: string[] = [];
  const large = call("large", { body: randomBytes(6 * 1024 * 1024) }).then(bodyOf);
  const small = call("small").then(bodyOf);
  await Promise.all([large.then(() => order.push("large")), small.then(() => order.push("small"))]);
  assert.deepEqual(order, ["small", "large"]);
  assert.equal(connections, 1);
});

for (const startsOn of ["go", "slot"] as const)
  test(`a call on ${startsOn} that waits for a slot and is given up is not started, then or later`, async (t) => {
    const slot = Promise.withResolvers<void>();
    const { client, call, started } = await startLinkWorld(t, { slot: slot.promise });
    const waits = call("given up", { startsOn });
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.giveUp();
    assert.equal(failureOf(await waits), "not-begun");
    slot.resolve();
    await bodyOf(await call("next"));
    assert.deepEqual(started, ["next"]);
  });

test("an agent that says nothing: what cannot have begun is given up at once, what may be repeated too, the rest waits", async (t) => {
  const url = await listenRaw(t, (socket) => {
    socket.once("data", () => socket.write(SWITCHING));
    socket.on("data", () => undefined);
  });
  const client = openAgentClient(url, BOOT_TOKEN, systemClock);
  t.after(() => client.close());
  const call = caller(client);
  const rules = { timeoutMs: 300 };
  const asks = call("asks", rules);
  const repeatable = call("repeatable", { ...rules, startsOn: "slot", isIdempotent: true });
  const neither = call("neither", { ...rules, startsOn: "slot" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.giveUp();
  assert.equal(failureOf(await asks), "not-begun");
  assert.equal(failureOf(await repeatable), "maybe-executed");
  assert.equal(failureOf(await neither), "out-of-time");
});

test("where an agent never says that it has a call, the call is given back, and the link opened anew", async (t) => {
  let links = 0;
  const url = await listenRaw(t, (socket) => {
    links += 1;
    socket.once("data", () => socket.write(SWITCHING));
  });
  const client = openAgentClient(url, BOOT_TOKEN, systemClock);
  t.after(() => client.close());
  const call = caller(client);
  assert.equal(failureOf(await call("first")), "not-begun");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(failureOf(await call("second", { timeoutMs: 100 })), "out-of-time");
  assert.equal(links, 2);
});

test("a go counts for the question that was open, and for no later one", async () => {
  const sent: number[] = [];
  const asked: boolean[] = [];
  const call = callOnLink(1, { headers: {}, startsOn: "go", bodyBytes: 0 }, Buffer.alloc(0), {
    send: (frame) => sent.push(frame.readUInt8(4)),
    hasStalled: () => false,
    place: { zone: "eu-west", clusterId: "eu-west-1" },
    log: pino({ level: "silent" }),
    serve: async ({ leave }) => {
      for (let question = 0; question < 2; question += 1) asked.push(await leave.ask(true));
      return answerOf(200, "done");
    },
  });
  call.go();
  call.go();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked, [true]);
  call.cancel();
  await call.over;
  assert.deepEqual(asked, [true, false]);
  assert.deepEqual(sent, [LINK_FRAME.ready, LINK_FRAME.ready]);
});

test("the caller's leaving reaches the handler, and an answer is not missed for it", async (t) => {
  const told = Promise.withResolvers<void>();
  const { call, started } = await startLinkWorld(t, {
    handle: async ({ callerGone }) => {
      callerGone.addEventListener("abort", () => told.resolve());
      await told.promise;
      return answerOf(200, "too late");
    },
  });
  const leaving = new AbortController();
  const outcome = call("leaves", { callerGone: leaving.signal });
  while (started.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  leaving.abort();
  assert.equal(failureOf(await outcome), "caller-gone");
  await told.promise;
});

test("a reader that stops holds up its own answer, no other, and no memory beyond its credit", async (t) => {
  const large = randomBytes(6 * 1024 * 1024);
  let passed = 0;
  const { call } = await startLinkWorld(t, {
    handle: (_exchange, body) => Promise.resolve(answerOf(200, body.length > 0 ? "small" : large)),
    through: async (url) =>
      listenRaw(t, (near) => {
        const far = connect(Number(new URL(url).port), "127.0.0.1");
        near.pipe(far);
        far.on("data", (chunk: Buffer) => {
          passed += chunk.length;
          near.write(chunk);
        });
      }),
  });
  const slow = await call("slow");
  await bodyOf(await call("quick", { body: randomBytes(1) }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(passed <= LINK_CREDIT_BYTES * 2, `${passed} bytes came unread`);
  assert.ok((await bodyOf(slow)).equals(large));
});

test("an agent that drains ends what runs, takes no more, and says so of what it did not take", async (t) => {
  const go = Promise.withResolvers<void>();
  const { call, server, started } = await startLinkWorld(t, {
    handle: async () => {
      await go.promise;
      return answerOf(200, "done");
    },
  });
  const running = call("running");
  while (started.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const drained = server.drain(0, 5_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(failureOf(await call("late")), "refused");
  go.resolve();
  assert.equal((await bodyOf(await running)).toString(), "done");
  await drained;
  assert.equal(failureOf(await call("after")), "not-sent");
});

test("a wrong token opens no link", async (t) => {
  const { server } = await startLinkWorld(t);
  const client = openAgentClient(server.url, "another", systemClock);
  t.after(() => client.close());
  const outcome = await caller(client)("one");
  assert.equal(failureOf(outcome), "not-sent");
});

const SWITCHING =
  "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: meridian-link\r\n\r\n";
const NONSENSE: Readonly<Record<string, Buffer>> = {
  "a frame without end": Buffer.from([0xff, 0xff, 0xff, 0xff, 1]),
  "an answer without head": encodeFrame(LINK_FRAME.answer, 1, [Buffer.from("{}")]),
  "an answer whose head is no head": encodeHeadedFrame(
    LINK_FRAME.answer,
    1,
    { status: "ok" },
    Buffer.alloc(0),
  ),
  "a status that is none": encodeHeadedFrame(
    LINK_FRAME.answer,
    1,
    { status: 7, headers: {}, isWhole: true },
    Buffer.alloc(0),
  ),
  "a goaway without number": encodeFrame(LINK_FRAME.goaway, 0),
  "the end of an answer that never began": encodeFrame(LINK_FRAME.end, 1),
  "the break of an answer that never began": encodeFrame(LINK_FRAME.broken, 1),
  text: Buffer.from("HTTP/1.1 200 OK\r\n\r\nhello there, and some more"),
};
for (const [name, bytes] of Object.entries(NONSENSE))
  test(`an agent that speaks nonsense (${name}) costs its link, and proves nothing of a call that may have begun`, async (t) => {
    const url = await listenRaw(t, (socket) => {
      socket.once("data", () => {
        socket.write(SWITCHING);
        socket.once("data", () => socket.write(bytes));
      });
    });
    const client = openAgentClient(url, BOOT_TOKEN, systemClock);
    t.after(() => client.close());
    const call = caller(client);
    const outcomes = await Promise.all([call("asks"), call("at once", { startsOn: "slot" })]);
    assert.deepEqual(outcomes.map(failureOf), ["not-begun", "maybe-executed"]);
  });

test("frames of unknown kinds and of calls that are over are passed by", async (t) => {
  const url = await listenRaw(t, (socket) => {
    socket.once("data", () => {
      socket.write(SWITCHING);
      socket.once("data", () => {
        const head = { status: 200, headers: {}, isWhole: true };
        socket.write(encodeFrame(99, 1, [Buffer.from("a later version")]));
        socket.write(encodeFrame(LINK_FRAME.ready, 77));
        socket.write(encodeHeadedFrame(LINK_FRAME.answer, 1, head, Buffer.from("ok")));
        socket.write(encodeFrame(LINK_FRAME.end, 1));
      });
    });
  });
  const client = openAgentClient(url, BOOT_TOKEN, systemClock);
  t.after(() => client.close());
  assert.equal((await bodyOf(await caller(client)("one"))).toString(), "ok");
});

test("a gateway that speaks nonsense loses its link, and no other does", async (t) => {
  const { call, server } = await startLinkWorld(t);
  for (const bytes of [
    Buffer.from("what is this, then?"),
    encodeFrame(LINK_FRAME.call, 1),
    encodeHeadedFrame(LINK_FRAME.call, 1, { startsOn: "whim" }, Buffer.alloc(0)),
  ]) {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.write(
      `GET /link HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: meridian-link\r\nmeridian-boot-token: ${BOOT_TOKEN}\r\n\r\n`,
    );
    socket.once("data", () => socket.write(bytes));
    await closed;
  }
  await bodyOf(await call("another's"));
});

test("wherever a link is cut, what is said not to have begun did not, and nothing begins twice", async (t) => {
  let cut = { toAgent: Infinity, toGateway: Infinity };
  const { call, started } = await startLinkWorld(t, { through: cuttingProxy(t, () => cut) });
  const outcomes = new Map<string, string>();
  // A handshake is about 190 bytes there and 90 back; a call and its go some 120 and 9, its ready and answer 9 and some 70.
  for (let round = 0; round < CUTS; round += 1) {
    cut =
      round % 2 === 0
        ? { toAgent: 150 + (round % 200) * 2, toGateway: Infinity }
        : { toAgent: Infinity, toGateway: 60 + (round % 200) * 2 };
    const ids = [`${round} first`, `${round} second`];
    const ended = await Promise.all(ids.map((id) => call(id, { timeoutMs: 1_000 })));
    for (const [index, outcome] of ended.entries())
      outcomes.set(ids[index] ?? "", failureOf(outcome));
  }
  const begun = new Set(started);
  assert.equal(begun.size, started.length, "something began twice");
  for (const [id, outcome] of outcomes)
    if (outcome === "not-begun" || outcome === "not-sent" || outcome === "refused")
      assert.ok(!begun.has(id), `${id} was said not to have begun (${outcome})`);
  const kinds = new Set(outcomes.values());
  for (const kind of ["answered", "not-begun", "maybe-executed"])
    assert.ok(kinds.has(kind), `no ${kind}`);
});
