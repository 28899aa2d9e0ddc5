import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEMO_KEY, eventually } from "./run-gateway.ts";
import { answerNotStarted, startStreamAgent, type StandInCall } from "./stream-agent.ts";
import { headOf, openCaller, openStreamWorld, passThreeLimits } from "./stream-world.ts";

const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const SOCKET = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY];
const upgrade = (...more: readonly string[]): string =>
  headOf("GET /fn/demo/server/chat HTTP/1.1", ...SOCKET, ...more);
const SWITCHED = {
  status: 101,
  headers: {
    "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "content-length": "0",
    "set-cookie": ["a=1", "b=2"],
  },
};

const partsOf = (call: StandInCall | undefined) =>
  JSON.parse(decodeURIComponent(call?.head.headers["meridian-http-request"] ?? "null"));

/** Agrees, says the first word, and echoes. */
const agree = (call: StandInCall): void => {
  call.giveCredit(1024 * 1024);
  call.answer(SWITCHED, "welcome");
};

describe("a WebSocket", { timeout: 60_000 }, () => {
  test("becomes raw bytes both ways, either side of which may end first", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(`${upgrade("Sec-WebSocket-Protocol: chat")}early`);
    await eventually(() => caller.text().includes("welcome"));
    const [call] = world.agent.calls;
    assert.deepEqual([call?.head.upgrade, call?.head.isStreamed], ["websocket", true]);
    const { headers } = partsOf(call);
    assert.equal(headers["sec-websocket-protocol"], "chat");
    assert.equal(headers.connection, undefined);
    assert.equal(headers.upgrade, undefined);
    const [head = ""] = caller.text().toLowerCase().split("\r\n\r\n");
    assert.match(
      head,
      /^http\/1\.1 101 switching protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n/,
    );
    assert.match(head, /sec-websocket-accept: s3ppl/);
    assert.match(head, /set-cookie: a=1\r\nset-cookie: b=2/);
    assert.match(head, /meridian-cluster: eu-west-1/);
    assert.doesNotMatch(head, /content-length|transfer-encoding/);
    await eventually(() => call?.body().toString() === "early");
    caller.write("\u0000GET / HTTP/1.1\r\n\r\n");
    await eventually(() => call?.body().toString() === "early\u0000GET / HTTP/1.1\r\n\r\n");
    caller.socket.end();
    assert.equal(await call?.bodyEnded, "end");
    call?.part("last word");
    call?.end();
    assert.equal(await caller.closed, "end");
    assert.ok(caller.text().endsWith("last word"));
    caller.socket.destroy();
  });

  test("may be ended by the function first, and what the caller still says arrives", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(upgrade());
    await eventually(() => caller.text().includes("welcome"));
    world.agent.calls[0]?.end();
    assert.equal(await caller.closed, "end");
    caller.write("farewell");
    caller.socket.end();
    assert.equal(await world.agent.calls[0]?.bodyEnded, "end");
    assert.equal(world.agent.calls[0]?.body().toString(), "farewell");
    caller.socket.destroy();
  });

  test("ended by the function ends soon for a caller who says nothing more", async () => {
    await using world = await openStreamWorld({ stallMs: 200 });
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(upgrade());
    await eventually(() => caller.text().includes("welcome"));
    world.agent.calls[0]?.end();
    assert.equal(await caller.closed, "end");
    assert.notEqual(await world.agent.calls[0]?.bodyEnded, "end");
    caller.socket.destroy();
  });

  test("says nothing for longer than any limit of the door, and goes on", async () => {
    await using world = await openStreamWorld({
      stallMs: 200,
      idleTimeoutMs: 200,
      headersTimeoutMs: 200,
    });
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(upgrade());
    await eventually(() => caller.text().includes("welcome"));
    await passThreeLimits(world.gateway);
    caller.write("still here");
    await eventually(() => world.agent.calls[0]?.body().toString() === "still here");
    world.agent.calls[0]?.part("so am I");
    await eventually(() => caller.text().endsWith("so am I"));
    caller.socket.destroy();
  });

  const ENDS: readonly (readonly [name: string, end: (call: StandInCall) => void])[] = [
    ["breaks it off", (call) => call.broken()],
    ["cuts its link", (call) => call.cutLink()],
  ];
  for (const [name, end] of ENDS)
    test(`ends for the caller when the agent ${name}`, async () => {
      await using world = await openStreamWorld();
      world.agent.serve = agree;
      const caller = openCaller(world.gateway);
      caller.write(upgrade());
      await eventually(() => caller.text().includes("welcome"));
      const [call] = world.agent.calls;
      if (call !== undefined) end(call);
      await caller.closed;
      caller.socket.destroy();
    });

  test("ends for the agent when the caller is gone, before it agreed and after", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = () => undefined;
    const early = openCaller(world.gateway);
    early.write(upgrade());
    await eventually(() => world.agent.calls.length === 1);
    early.socket.end();
    await world.agent.calls[0]?.cancelled;
    world.agent.serve = agree;
    const late = openCaller(world.gateway);
    late.write(upgrade());
    await eventually(() => late.text().includes("welcome"));
    late.socket.resetAndDestroy();
    await world.agent.calls[1]?.cancelled;
    early.socket.destroy();
  });

  test("ends at the call's deadline", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(upgrade("Meridian-Timeout-Ms: 300"));
    await eventually(() => caller.text().includes("welcome"));
    await world.agent.calls[0]?.cancelled;
    await caller.closed;
    caller.socket.destroy();
  });

  test("counts as one concurrent call while it is open, and is in the metrics with its bytes", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(`${upgrade()}12345`);
    await eventually(() => world.agent.calls[0]?.body().length === 5);
    caller.socket.end();
    world.agent.calls[0]?.end();
    await caller.closed;
    caller.socket.destroy();
    await eventually(async () => {
      const metrics = await (await fetch(`${world.gateway.admin.url}/metrics`)).text();
      return (
        /requests_total\{[^}]*status_class="1xx"[^}]*\} 1\n/.test(metrics) &&
        /streamed_bytes_total\{[^}]*direction="in"[^}]*\} 5\n/.test(metrics) &&
        /streamed_bytes_total\{[^}]*direction="out"[^}]*\} 7\n/.test(metrics)
      );
    });
  });

  test("is tried elsewhere while nobody has agreed to it", async () => {
    await using world = await openStreamWorld({}, { beforeStart: answerNotStarted });
    const other = await startStreamAgent();
    other.serve = agree;
    await world.federation.publish("agent", "us-east", other.url);
    await eventually(async () => {
      const caller = openCaller(world.gateway);
      caller.write(upgrade());
      await eventually(() => /HTTP\/1\.1 (?:101|503)/.test(caller.text()));
      caller.socket.destroy();
      return caller.text().includes("meridian-cluster: us-east-1");
    });
    assert.ok(other.calls.length > 0);
    await other.close();
  });
});

describe("instead of a WebSocket", { timeout: 60_000 }, () => {
  test("a function may answer as to any request; then the connection ends", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => {
      call.answer({ status: 403, headers: { "x-why": "closed" } }, "not ");
      call.part("today");
      call.end();
    };
    const caller = openCaller(world.gateway);
    caller.write(upgrade());
    assert.equal(await caller.closed, "end");
    assert.match(caller.text(), /^HTTP\/1\.1 403.*x-why: closed.*connection: close.*today/is);
    caller.socket.destroy();
  });

  const REFUSED: readonly (readonly [
    name: string,
    request: string,
    status: number,
    word: RegExp,
  ])[] = [
    ["a handler", headOf("GET /fn/demo/handler/ HTTP/1.1", ...SOCKET), 400, /UPGRADE_UNSUPPORTED/],
    ["a stranger", upgrade().replace(DEMO_KEY, "mk_wrong"), 401, /UNAUTHENTICATED/],
    ["a function that is none", headOf("GET /fn/demo/none/ HTTP/1.1", ...SOCKET), 404, /NOT_FOUND/],
    ["two protocols", upgrade().replace("websocket", "websocket, echo"), 400, /one protocol/],
    ["a body", upgrade("Content-Length: 2").concat("{}"), 400, /has a body/],
    ["another version", upgrade().replace("13", "777"), 400, /is not 13/],
    ["no key", upgrade().replace(KEY, "X-A: 1"), 400, /16 bytes/],
    ["a path with dots", upgrade().replace("/chat", "/../x"), 400, /dot segment/],
    ["two hosts", upgrade("Host: evil"), 400, /more than one host/],
  ];
  for (const [name, request, status, word] of REFUSED)
    test(`${name} is refused before an agent hears of it`, async () => {
      await using world = await openStreamWorld();
      const caller = openCaller(world.gateway);
      caller.write(request);
      assert.equal(await caller.closed, "end");
      assert.ok(caller.text().startsWith(`HTTP/1.1 ${status} `), caller.text());
      assert.match(caller.text(), word);
      assert.equal(world.agent.calls.length, 0);
      caller.socket.destroy();
    });

  test("what is no function answers as if nothing had been asked", async () => {
    await using world = await openStreamWorld();
    const caller = openCaller(world.gateway);
    caller.write(headOf("GET /healthz HTTP/1.1", ...SOCKET));
    assert.equal(await caller.closed, "end");
    assert.match(caller.text(), /^HTTP\/1\.1 200.*ok\n$/s);
    caller.socket.destroy();
  });

  test("one behind a request that is not answered yet is refused, after that answer", async () => {
    await using world = await openStreamWorld({ fastLane: "off" });
    const caller = openCaller(world.gateway);
    caller.write(`${headOf("GET /fn/demo/server/ HTTP/1.1")}${upgrade()}`);
    assert.equal(await caller.closed, "end");
    assert.match(caller.text(), /^HTTP\/1\.1 200.*ok.*HTTP\/1\.1 400.*once every request before/s);
    assert.equal(world.agent.calls.length, 1);
    caller.socket.destroy();
  });

  test("agents of the version before are not asked", async () => {
    await using world = await openStreamWorld({}, { features: "other" });
    const caller = openCaller(world.gateway);
    caller.write(upgrade());
    await caller.closed;
    assert.match(caller.text(), /^HTTP\/1\.1 503.*neither streamed bodies nor upgrades/s);
    caller.socket.destroy();
  });
});

test("another protocol is passed on as it was asked for, on a connection that has served before", async () => {
  await using world = await openStreamWorld();
  const caller = openCaller(world.gateway);
  caller.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  await eventually(() => caller.text().endsWith("ok\n"));
  world.agent.serve = agree;
  caller.write(headOf("POST /fn/demo/server/ HTTP/1.1", "Connection: upgrade", "Upgrade: Echo/2"));
  await eventually(() => caller.text().includes("welcome"));
  assert.equal(world.agent.calls[0]?.head.upgrade, "echo/2");
  assert.match(caller.text(), /upgrade: echo\/2/);
  caller.socket.destroy();
});

for (const name of ["server", "open"])
  test(`a browser offers its key among the protocols, and the function ${name} sees the others alone`, async () => {
    await using world = await openStreamWorld();
    world.agent.serve = agree;
    const caller = openCaller(world.gateway);
    caller.write(
      upgrade(`Sec-WebSocket-Protocol: meridian.bearer.${DEMO_KEY}, chat`)
        .replace(/Authorization.*\r\n/, "")
        .replace("/server/", `/${name}/`),
    );
    await eventually(() => caller.text().includes("welcome"));
    const { headers } = partsOf(world.agent.calls[0]);
    assert.equal(headers["sec-websocket-protocol"], "chat");
    assert.equal(headers.authorization, undefined);
    assert.ok(!JSON.stringify(world.agent.calls[0]?.head).includes(DEMO_KEY));
    caller.socket.destroy();
  });
