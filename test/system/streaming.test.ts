import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { type Federation, REPOSITORY, startFederation, until } from "./support/federation.ts";

/* Streams, WebSockets and large bodies as callers have them: docs/streaming.md. */
const FUNCTIONS = join(REPOSITORY, "test/system/functions");
const MEGABYTE = 1024 * 1024;
const LIMIT_MS = 30_000;

let federation: Federation;
let key = "";
before(async () => {
  federation = await startFederation();
  key = (await federation.credentials()).tenants["demo"]?.apiKey ?? assert.fail("demo has a key");
  const goneFile = `GONE_FILE=${join(federation.state, "gone")}`;
  const chat = join(REPOSITORY, "examples/chat");
  for (const folder of [
    [join(FUNCTIONS, "streamer")],
    [join(FUNCTIONS, "ticker"), "--env", goneFile],
    [chat],
  ]) {
    const { exitCode, stderr, stdout } = await federation.cli("deploy", ...folder);
    assert.equal(exitCode, 0, stderr + stdout);
  }
});
after(() => federation.stop());

/** A request whose ends are the test's own; `zone` serves it at its gateway, near itself. */
async function ask(
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<ClientRequest> {
  const { zones } = await federation.credentials();
  const { method = "GET", headers = {} } = options;
  return request(`${zones["eu-west"]?.gateway}/fn/demo${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...headers },
    agent: false,
  });
}
async function answerTo(asking: ClientRequest): Promise<IncomingMessage> {
  const [answer]: IncomingMessage[] = await once(asking, "response");
  return answer ?? assert.fail("it has an answer");
}
async function firstWord(answer: IncomingMessage): Promise<string> {
  const [word] = await once(answer, "data");
  return String(word);
}
async function told(): Promise<{ readonly calls: number; readonly left: number }> {
  const answer = await answerTo((await ask("/streamer/told")).end());
  return JSON.parse((await buffer(answer)).toString());
}

test("a megabyte goes both ways at once and comes back whole, with the trailer behind it", async () => {
  const sent = randomBytes(MEGABYTE);
  const asking = await ask("/streamer/echo", { method: "POST" });
  for (let at = 0; at < sent.length; at += 100_000) asking.write(sent.subarray(at, at + 100_000));
  asking.end();
  const answer = await answerTo(asking);
  const got = await buffer(answer);
  assert.ok(got.equals(sent));
  assert.equal(answer.trailers["x-digest"], createHash("sha256").update(sent).digest("hex"));
  assert.equal(answer.headers["meridian-attempts"], "1");
});

test("a handler is told when its caller leaves", async () => {
  const asking = (await ask("/ticker/")).end();
  assert.equal(await firstWord(await answerTo(asking)), "tick");
  asking.destroy();
  await until("the handler wrote that nobody is there", LIMIT_MS, async () =>
    existsSync(join(federation.state, "gone")) ? true : undefined,
  );
});

test("so is a server, and no call of it ran twice", async () => {
  const before = await told();
  const asking = (await ask("/streamer/events")).end();
  assert.equal(await firstWord(await answerTo(asking)), "data: 1\n\n");
  asking.destroy();
  const after = await until("the server saw its caller leave", LIMIT_MS, async () => {
    const now = await told();
    return now.left === before.left + 1 ? now : undefined;
  });
  assert.ok(after.calls > before.calls);
});

test("a WebSocket of a browser, which can offer its key among the protocols alone", async () => {
  const { zones } = await federation.credentials();
  const url = `${zones["eu-west"]?.gateway}/fn/demo/chat/`.replace("http:", "ws:");
  const socket = new WebSocket(url, [`meridian.bearer.${key}`, "chat"]);
  await once(socket, "open");
  assert.equal(socket.protocol, "chat");
  const heard = once(socket, "message");
  socket.send("anybody?");
  const [{ data }] = await heard;
  assert.equal(data, "anybody?");
  const closed = once(socket, "close");
  socket.close();
  const [{ wasClean }] = await closed;
  assert.equal(wasClean, true);
});

test("a handler speaks no other protocol, and says so", async () => {
  const asking = await ask("/hello/", { headers: { connection: "upgrade", upgrade: "echo" } });
  const answer = await answerTo(asking.end());
  assert.equal(answer.statusCode, 400);
  assert.match((await buffer(answer)).toString(), /MERIDIAN_UPGRADE_UNSUPPORTED/);
});

test("streams and upgrades of a cluster that dies break off, and none of them runs again", async () => {
  const headers = { "meridian-region": "us-east" };
  const stream = (await ask("/streamer/events", { headers })).end();
  const answer = await answerTo(stream);
  assert.equal(answer.headers["meridian-zone"], "us-east");
  assert.equal(await firstWord(answer), "data: 1\n\n");
  const upgrading = { ...headers, connection: "upgrade", upgrade: "echo" };
  const asking = (await ask("/streamer/chat", { headers: upgrading })).end();
  const [switched, socket] = await once(asking, "upgrade");
  assert.equal(switched.statusCode, 101);
  socket.write("hello");
  assert.equal(String((await once(socket, "data"))[0]), "hello");

  const broken = once(answer, "error");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined);
  const killed = await federation.cli("zone", "kill", "us-east");
  assert.equal(killed.exitCode, 0, killed.stderr);
  const [error] = await broken;
  assert.equal((error as NodeJS.ErrnoException).code, "ECONNRESET");
  await closed;
});
