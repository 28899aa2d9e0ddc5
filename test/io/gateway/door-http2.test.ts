import assert from "node:assert/strict";
import { connect as connect2, constants } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import {
  type Answered,
  type Ask,
  askHttp1,
  type Asked,
  askHttp2,
  openHttp2,
} from "./door-clients.ts";
import { type DoorWorld, openDoorWorld } from "./door-world.ts";
import { DEMO_KEY } from "./run-gateway.ts";

const INVOKE = "/v1/tenants/demo/functions/echo:invoke";
const authorization = `Bearer ${DEMO_KEY}`;
const certificates = join(import.meta.dirname, "certificates");

const table: readonly (readonly [name: string, asked: Asked, status: number])[] = [
  ["a health check", { path: "/healthz" }, 200],
  ["a health check without its body", { method: "HEAD", path: "/healthz" }, 200],
  ["a call", { method: "POST", path: INVOKE, headers: { authorization }, body: "{}" }, 200],
  [
    "a call that waits for leave",
    {
      method: "POST",
      path: INVOKE,
      headers: { authorization, expect: "100-continue" },
      body: "{}",
    },
    200,
  ],
  [
    "a call of a function's own path",
    { path: "/fn/demo/echo/a/b?c=d", headers: { authorization } },
    200,
  ],
  ["a call without a key", { method: "POST", path: INVOKE, body: "{}" }, 401],
  ["the management API", { path: "/v1/status", headers: { authorization } }, 200],
  [
    "a write to the management API",
    { method: "PUT", path: "/v1/tenants/demo/x", headers: { authorization }, body: "{}" },
    200,
  ],
  ["a path that is not there", { path: "/nothing" }, 404],
  ["a method that is not allowed", { method: "DELETE", path: INVOKE }, 405],
  ["TRACE", { method: "TRACE", path: "/healthz" }, 405],
  ["dot segments", { path: "/fn/demo/../x" }, 400],
  ["an encoded slash", { path: "/fn/demo/echo/..%2fadmin", headers: { authorization } }, 400],
  ["an empty segment", { path: "//evil.example/fn" }, 400],
  ["an expectation that nobody knows", { path: "/healthz", headers: { expect: "x" } }, 417],
  [
    "101 headers",
    { path: "/healthz", headers: { "x-a": Array.from({ length: 101 }, () => "1") } },
    431,
  ],
  ["17 KiB of headers", { path: "/healthz", headers: { "x-a": "a".repeat(17_000) } }, 431],
  [
    "a declared body beyond 6 MiB",
    {
      method: "POST",
      path: INVOKE,
      headers: { authorization, "content-length": "6291457" },
      body: "x".repeat(6_291_457),
    },
    413,
  ],
  [
    "a time limit that is none",
    {
      method: "POST",
      path: INVOKE,
      headers: { authorization, "meridian-timeout-ms": "0" },
      body: "{}",
    },
    400,
  ],
];

describe("HTTP/2 at the door", { timeout: 60_000 }, () => {
  let world: DoorWorld;
  let sessions: ClientHttp2Session[];
  let doors: Readonly<Record<string, Ask>>;
  before(async () => {
    const tls = {
      port: 0,
      certificateFile: join(certificates, "first.pem"),
      keyFile: join(certificates, "first.key.pem"),
    };
    world = await openDoorWorld({ tls });
    const { publicUrl, secureUrl = "" } = world.gateway;
    const clear = await openHttp2(publicUrl);
    const secure = await openHttp2(secureUrl);
    sessions = [clear, secure];
    doors = {
      "HTTP/2": askHttp2(clear),
      "HTTP/2 over TLS": askHttp2(secure),
      "HTTP/1.1 over TLS": askHttp1(secureUrl),
    };
  });
  after(async () => {
    for (const session of sessions) session.destroy();
    await world[Symbol.asyncDispose]();
  });

  for (const [name, asked, status] of table)
    test(`${name}: ${status}, the same through every door`, async () => {
      const expected = await askHttp1(world.gateway.publicUrl)(asked);
      assert.equal(expected.status, status, expected.body);
      for (const [door, ask] of Object.entries(doors))
        assert.deepEqual(comparable(await ask(asked)), comparable(expected), door);
    });

  test("an agent and a federator are told the same, whatever the caller spoke", async () => {
    const seen: unknown[] = [];
    const asked = {
      path: "/fn/demo/open/x?y=1",
      headers: {
        "x-many": ["1", "2"],
        cookie: "a=1; b=2",
        te: "trailers",
        authorization: "Basic own",
      },
    };
    for (const ask of [askHttp1(world.gateway.publicUrl), doors["HTTP/2"]]) {
      world.agent.calls.length = 0;
      await ask?.(asked);
      const [call] = world.agent.calls;
      const parts = JSON.parse(decodeURIComponent(String(call?.headers["meridian-http-request"])));
      delete parts.headers["x-request-id"];
      delete parts.headers["traceparent"];
      seen.push(parts);
    }
    assert.deepEqual(seen[1], seen[0]);
  });

  test("a function is told whether its caller used TLS", async () => {
    for (const [door, scheme] of [
      ["HTTP/2", "http"],
      ["HTTP/2 over TLS", "https"],
      ["HTTP/1.1 over TLS", "https"],
    ] as const) {
      world.agent.calls.length = 0;
      await doors[door]?.({ path: "/fn/demo/open/" });
      const request = decodeURIComponent(
        String(world.agent.calls[0]?.headers["meridian-http-request"]),
      );
      assert.equal(JSON.parse(request).headers["x-forwarded-proto"], scheme, door);
    }
  });

  test("a session that is told of a mistake goes on", async () => {
    const ask = doors["HTTP/2"];
    assert.equal((await ask?.({ path: "/fn/../x" }))?.status, 400);
    assert.equal((await ask?.({ path: "/healthz" }))?.status, 200);
  });

  test("two hosts in one request are refused", async () => {
    const answer = await doors["HTTP/2"]?.({ path: "/healthz", headers: { host: "evil.example" } });
    assert.equal(answer?.status, 400);
  });

  test("CONNECT is refused with what is allowed instead", async () => {
    const [session] = sessions;
    const stream = session?.request({ ":method": "CONNECT", ":authority": "evil.example:443" });
    const answer = await new Promise<Record<string, unknown>>((resolve) =>
      stream?.on("response", resolve),
    );
    assert.equal(answer[":status"], 405);
    assert.match(String(answer["allow"]), /GET/);
    stream?.close();
  });

  test("callers are offered both versions over TLS, the newer first", async () => {
    const { port } = new URL(world.gateway.secureUrl ?? "");
    for (const offered of [["http/1.1", "h2"], ["http/1.1"]]) {
      const socket = connectTls({
        port: Number(port),
        rejectUnauthorized: false,
        ALPNProtocols: offered,
      });
      await new Promise<void>((resolve) => socket.once("secureConnect", resolve));
      assert.equal(socket.alpnProtocol, offered.length === 2 ? "h2" : "http/1.1");
      socket.destroy();
    }
  });

  test("what a caller may open at once, and how large its headers may be, is said", async () => {
    const session = connect2(world.gateway.publicUrl);
    const settings = await new Promise<Record<string, unknown>>((resolve) =>
      session.once("remoteSettings", resolve),
    );
    assert.equal(settings["maxConcurrentStreams"], 100);
    assert.equal(settings["maxHeaderListSize"], 32 * 1024);
    session.destroy();
  });

  test("a caller that goes away frees what its call holds", async () => {
    world.agent.behaviour = "hang";
    const abandoned = world.agent.abandoned;
    const session = await openHttp2(world.gateway.publicUrl);
    world.agent.calls.length = 0;
    const stream = session.request({ ":path": "/fn/demo/open/" });
    stream.on("error", () => undefined);
    while (world.agent.calls.length === 0) await new Promise(setImmediate);
    stream.close(constants.NGHTTP2_CANCEL);
    while (world.agent.abandoned === abandoned) await new Promise(setImmediate);
    session.destroy();
    world.agent.behaviour = "answer";
  });
});

/** Without what belongs to the connection, the moment and the one request. */
function comparable({ status, headers, body }: Answered) {
  const kept = Object.entries(headers).filter(
    ([name]) =>
      ![
        "date",
        "connection",
        "keep-alive",
        "x-request-id",
        "transfer-encoding",
        "content-length",
      ].includes(name),
  );
  const requestId = String(headers["x-request-id"]);
  return {
    status,
    headers: Object.fromEntries(
      kept.map(([name, value]) => [name, String(value).replaceAll(requestId, "ID")]),
    ),
    body: body.replaceAll(requestId, "ID"),
  };
}
