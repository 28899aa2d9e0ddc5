import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { type DoorWorld, openDoorWorld } from "./door-world.ts";
import type { FakeAgent } from "./fake-agent.ts";
import { DEMO_KEY } from "./run-gateway.ts";

const AUTH = `Authorization: Bearer ${DEMO_KEY}`;
const INVOKE = "/v1/tenants/demo/functions/echo:invoke";

for (const fastLane of ["on", "off"] as const)
  describe(`what comes in at the door, fast lane ${fastLane}`, { timeout: 60_000 }, () => {
    let world: DoorWorld;
    let agent: FakeAgent;
    let gateway: RunningGateway;
    before(async () => {
      world = await openDoorWorld({ fastLane });
      ({ agent, gateway } = world);
    });
    after(() => world[Symbol.asyncDispose]());

    const host = (): string => `Host: ${new URL(gateway.publicUrl).host}`;
    const send = (lines: readonly string[], body = ""): Promise<string> =>
      exchange(gateway.publicUrl, `${lines.join("\r\n")}\r\n\r\n${body}`);

    interface Attack {
      readonly name: string;
      readonly lines: () => string[];
      readonly body?: string;
      readonly status: number;
    }
    const attacks: readonly Attack[] = [
      {
        name: "two Host headers",
        lines: () => [`GET /healthz HTTP/1.1`, host(), "Host: evil"],
        status: 400,
      },
      { name: "no Host", lines: () => ["GET /healthz HTTP/1.1"], status: 400 },
      {
        name: "an expectation that nobody knows",
        lines: () => ["GET /healthz HTTP/1.1", host(), "Expect: foo"],
        status: 417,
      },
      {
        name: "a Host with a path",
        lines: () => ["GET /healthz HTTP/1.1", "Host: a/b"],
        status: 400,
      },
      {
        name: "Transfer-Encoding beside Content-Length",
        lines: () => [
          `POST ${INVOKE} HTTP/1.1`,
          host(),
          AUTH,
          "Content-Length: 4",
          "Transfer-Encoding: chunked",
        ],
        body: "0\r\n\r\n",
        status: 400,
      },
      {
        name: "two Content-Lengths",
        lines: () => [
          `POST ${INVOKE} HTTP/1.1`,
          host(),
          AUTH,
          "Content-Length: 2",
          "Content-Length: 3",
        ],
        body: "{}x",
        status: 400,
      },
      {
        name: "gzip, chunked",
        lines: () => [`POST ${INVOKE} HTTP/1.1`, host(), AUTH, "Transfer-Encoding: gzip, chunked"],
        body: "0\r\n\r\n",
        status: 501,
      },
      {
        name: "identity",
        lines: () => [`POST ${INVOKE} HTTP/1.1`, host(), AUTH, "Transfer-Encoding: identity"],
        status: 400,
      },
      {
        name: "chunked in HTTP/1.0",
        lines: () => [`POST ${INVOKE} HTTP/1.0`, host(), AUTH, "Transfer-Encoding: chunked"],
        body: "0\r\n\r\n",
        status: 400,
      },
      {
        name: "a space before the colon",
        lines: () => ["GET /healthz HTTP/1.1", host(), "Content-Length : 0"],
        status: 400,
      },
      {
        name: "a folded header",
        lines: () => ["GET /healthz HTTP/1.1", host(), "X-A: 1", " 2"],
        status: 400,
      },
      {
        name: "a bare newline in a header",
        lines: () => ["GET /healthz HTTP/1.1", host(), "X-A: 1\nX-B: 2"],
        status: 400,
      },
      {
        name: "a broken chunk size",
        lines: () => [`POST ${INVOKE} HTTP/1.1`, host(), AUTH, "Transfer-Encoding: chunked"],
        body: "0x2\r\n{}\r\n0\r\n\r\n",
        status: 400,
      },
      {
        name: "headers beyond 16 KiB",
        lines: () => ["GET /healthz HTTP/1.1", host(), `X-A: ${"a".repeat(17_000)}`],
        status: 431,
      },
      {
        name: "101 headers",
        lines: () => [
          "GET /healthz HTTP/1.1",
          host(),
          ...Array.from({ length: 100 }, () => "X-A: 1"),
        ],
        status: 431,
      },
      { name: "TRACE", lines: () => ["TRACE /healthz HTTP/1.1", host()], status: 405 },
      { name: "CONNECT", lines: () => ["CONNECT evil:443 HTTP/1.1", host()], status: 405 },
      {
        name: "a WebSocket",
        lines: () => [
          "GET /fn/demo/echo/ HTTP/1.1",
          host(),
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 777",
        ],
        status: 400,
      },
      {
        name: "another host in absolute form",
        lines: () => ["GET http://evil.example/healthz HTTP/1.1", host()],
        status: 400,
      },
      { name: "dot segments", lines: () => ["GET /fn/../v1/status HTTP/1.1", host()], status: 400 },
      {
        name: "encoded slashes",
        lines: () => ["GET /fn/demo/..%2fadmin HTTP/1.1", host()],
        status: 400,
      },
      { name: "no HTTP at all", lines: () => ["\u0016\u0003\u0001hello"], status: 400 },
      {
        name: "a declared body beyond 6 MiB",
        lines: () => [
          `POST ${INVOKE} HTTP/1.1`,
          host(),
          AUTH,
          "Content-Length: 6291457",
          "Expect: 100-continue",
        ],
        status: 413,
      },
    ];

    for (const { name, lines, body, status } of attacks)
      test(`${name}: ${status}`, async () => {
        const answer = await send(lines(), body);
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(answer, /\r\nx-request-id: \S+/i);
        assert.match(answer, /application\/problem\+json/);
        assert.equal(agent.calls.length, 0, "nothing of it reached the agent");
        assert.equal(world.federator.passed.length, 0, "nor the federator");
      });

    test("an offer of h2c is ignored, as a server may", async () => {
      const answer = await send([
        "GET /healthz HTTP/1.1",
        host(),
        "Connection: Upgrade, close",
        "Upgrade: h2c",
      ]);
      assert.match(answer, /^HTTP\/1\.1 200 /);
    });

    test("absolute form of this host is served", async () => {
      const answer = await send([
        `GET ${gateway.publicUrl}/healthz HTTP/1.1`,
        host(),
        "Connection: close",
      ]);
      assert.match(answer, /^HTTP\/1\.1 200 /);
    });

    test("a caller that asks before it sends its body is let in only if the body is wanted", async () => {
      assert.match(await send(asking(host(), "wrong")), /^HTTP\/1\.1 401 /);
      assert.match(
        await send(asking(host(), DEMO_KEY), "{}"),
        /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
      );
      agent.calls.length = 0;
    });

    test("a body that turns out too long is refused, and the connection can be used again", async () => {
      const megabyte = "x".repeat(1024 * 1024);
      const body = `${`100000\r\n${megabyte}\r\n`.repeat(7)}0\r\n\r\n`;
      const next = `GET /healthz HTTP/1.1\r\n${host()}\r\nConnection: close\r\n\r\n`;
      const answer = await send(
        [`POST ${INVOKE} HTTP/1.1`, host(), AUTH, "Transfer-Encoding: chunked"],
        `${body}${next}`,
      );
      assert.match(answer, /^HTTP\/1\.1 413 [^]*HTTP\/1\.1 200 OK/);
      assert.equal(agent.calls.length, 0);
    });

    test("a body of exactly 6 MiB is taken", async () => {
      const answer = await fetch(`${gateway.publicUrl}${INVOKE}`, {
        method: "POST",
        headers: { authorization: `Bearer ${DEMO_KEY}` },
        body: new Uint8Array(6 * 1024 * 1024),
      });
      assert.equal(answer.status, 200);
      assert.equal(agent.calls[0]?.body.length, 6 * 1024 * 1024);
      agent.calls.length = 0;
    });

    test("unknown paths and methods are told what is here", async () => {
      const missing = await fetch(`${gateway.publicUrl}/nothing`);
      assert.equal(missing.status, 404);
      const wrong = await fetch(`${gateway.publicUrl}${INVOKE}`);
      assert.equal(wrong.status, 405);
      assert.equal(wrong.headers.get("allow"), "POST");
    });

    test("a time limit of the caller that is none is its mistake", async () => {
      for (const timeout of ["0", "-1", "1.5", "soon", "900001", "99999999"]) {
        const answer = await fetch(`${gateway.publicUrl}${INVOKE}`, {
          method: "POST",
          headers: { authorization: `Bearer ${DEMO_KEY}`, "meridian-timeout-ms": timeout },
        });
        assert.equal(answer.status, 400, timeout);
      }
    });
  });

const asking = (hostLine: string, key: string): string[] => [
  `POST ${INVOKE} HTTP/1.1`,
  hostLine,
  `Authorization: Bearer ${key}`,
  "Content-Length: 2",
  "Expect: 100-continue",
  "Connection: close",
];

/** Everything the other side sends until it closes, or is silent after its answer. */
function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(Number(port), hostname, () => socket.write(text, "latin1"));
    socket.setTimeout(300, () => socket.destroy());
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(received));
  });
}
