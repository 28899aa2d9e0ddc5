import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { hasPython } from "../../support/has-python.ts";
import {
  eventually,
  isAlive,
  type InvokeOptions,
  type Placed,
  startAgentHere,
} from "./support/agent-world.ts";

const SERVER: Placed["manifest"] = {
  interface: "http",
  handler: "server.mjs",
  concurrency: 4,
  timeoutMs: 20_000,
};
const get = (path: string, rawQuery = ""): InvokeOptions => ({
  http: { method: "GET", path, rawQuery },
});

const startServer = (t: TestContext, manifest: Placed["manifest"] = {}, changes = {}) =>
  startAgentHere(t, [{ name: "server", manifest: { ...SERVER, ...manifest } }], changes);

test("a server is asked what the caller asked, and its answer is the answer", async (t) => {
  const agent = await startServer(t);
  const answer = await agent.invoke("server", {
    http: { method: "PUT", path: "/tells", rawQuery: "a=1&b=%20" },
    body: "words",
    requestId: "r-5",
    headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  });
  assert.equal(answer.status, 200, answer.text);
  const told = answer.json();
  assert.equal(told["method"], "PUT");
  assert.equal(told["url"], "/tells?a=1&b=%20");
  assert.equal(told["body"], "words");
  const headers = told["headers"] as Record<string, string>;
  assert.equal(headers["host"], "demo.example");
  assert.equal(headers["x-forwarded-host"], "demo.example");
  assert.equal(headers["cookie"], "c=3");
  assert.equal(headers["x-request-id"], "r-5");
  assert.equal(headers["content-length"], "5");
  assert.match(headers["traceparent"] ?? "", /^00-0af7651916cd43dd8448eb211c80319c/);
  assert.ok(Number(headers["meridian-deadline-ms"]) > 10_000);
  assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
  assert.equal(answer.headers["meridian-executed"], "true");
});

test("`:invoke` is POST / with the body as it came", async (t) => {
  const agent = await startServer(t);
  const answer = await agent.invoke("server", { json: { name: "Ada" } });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual(answer.json(), { method: "POST", event: { name: "Ada" } });
  assert.equal((await agent.invoke("server", get("/nowhere"))).status, 404);
  assert.equal((await agent.invoke("server", get("/nothing"))).status, 204);
});

test("its longer answers are streamed, with their trailers, and several calls share an instance", async (t) => {
  const agent = await startServer(t);
  const directory = await mkdtemp(join(tmpdir(), "servers-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "go");
  const waiting = await agent.open("server", get("/waits", `file=${encodeURIComponent(file)}`));
  const first = await waiting.body.iterator({ destroyOnReturn: false }).next();
  assert.equal(String(first.value), "first;");
  assert.equal((await agent.invoke("server", get("/pid"))).status, 200);
  assert.equal(agent.pids().length, 2, "one launcher and one instance");
  await writeFile(file, "");
  assert.equal(await text(waiting.body), "last");
  assert.deepEqual(waiting.trailers(), { "x-sum": "5" });
});

test("its short answers are kept for their key as a handler's are", async (t) => {
  const agent = await startServer(t);
  const keyed = { ...get("/pid"), headers: { "meridian-idempotency-key": "k-1" } };
  const first = await agent.invoke("server", keyed);
  assert.equal(first.headers["meridian-replay-kept"], "true");
  const again = await agent.invoke("server", keyed);
  assert.equal(again.headers["meridian-replayed"], "true");
  assert.equal(again.text, first.text);
});

for (const { path, says } of [
  { path: "/closes", says: /The server did not answer: socket hang up/ },
  { path: "/nonsense", says: /The server did not answer: Parse Error/ },
  { path: "/switches", says: /The server did not answer: it changed the protocol, unasked/ },
  { path: "/switches-to-nothing", says: /it changed the protocol and did not say to which/ },
])
  test(`an answer that is none, as of ${path}, is the function's failure, and its server goes on`, async (t) => {
    const agent = await startServer(t);
    const before = await agent.invoke("server", get("/pid"));
    const answer = await agent.invoke("server", { ...get(path), requestId: "r-6" });
    assert.equal(answer.status, 502, answer.text);
    assert.equal(answer.json()["code"], "MERIDIAN_FUNCTION_FAILED");
    const logs = await agent.get("/internal/logs?tenant=demo&function=server&requestId=r-6");
    assert.match(logs.text, says);
    assert.equal((await agent.invoke("server", get("/pid"))).text, before.text);
  });

test("an answer that breaks off cuts the caller's", async (t) => {
  const agent = await startServer(t);
  const { body } = await agent.open("server", get("/half"));
  await assert.rejects(text(body));
});

test("a server that exits under its calls is told apart, and the next call finds another", async (t) => {
  const agent = await startServer(t);
  const silent = agent.invoke("server", { ...get("/silent"), requestId: "r-1" });
  const answer = await agent.invoke("server", { ...get("/exits"), requestId: "r-2" });
  assert.equal(answer.status, 502);
  assert.equal(answer.json()["errorType"], "Runtime.ExitError");
  assert.equal((await silent).json()["errorType"], "Runtime.ExitError");
  assert.equal((await agent.invoke("server", get("/pid"))).status, 200);
  const logs = await agent.get("/internal/logs?tenant=demo&function=server");
  assert.match(logs.text, /going/);
  assert.match(logs.text, /Runtime exited with error: exit status 7/);
});

test("a call that takes too long ends alone while its server answers others", async (t) => {
  const agent = await startServer(t, { timeoutMs: 1_500 });
  const before = await agent.invoke("server", get("/pid"));
  const slow = agent.invoke("server", { ...get("/silent"), requestId: "r-4" });
  assert.equal((await agent.invoke("server", get("/pid"))).text, before.text);
  assert.equal((await slow).json()["errorType"], "Sandbox.Timedout");
  assert.equal((await agent.invoke("server", get("/pid"))).text, before.text);
});

test("a server that answers nobody in all that time hangs, and is ended", async (t) => {
  const agent = await startServer(t, { timeoutMs: 1_500 });
  const { text: pid } = await agent.invoke("server", get("/pid"));
  const hung = await agent.invoke("server", get("/spins"));
  assert.equal(hung.json()["errorType"], "Sandbox.Timedout");
  await eventually(async () => !(await isAlive(Number(pid))));
  assert.notEqual((await agent.invoke("server", get("/pid"))).text, pid);
});

test("a server that listens late is waited for", async (t) => {
  const agent = await startServer(t, { environment: { LISTENS_AFTER_MS: "300" } });
  const answer = await agent.invoke("server", get("/pid"));
  assert.equal(answer.status, 200, answer.text);
});

for (const { handler, type, initTimeoutMs, says } of [
  {
    handler: "never-listens.mjs",
    type: "Runtime.InitTimeout",
    initTimeoutMs: 1_500,
    says: /took no connection on 127\.0\.0\.1, at the port that PORT names, in time; it wrote: waiting/,
  },
  {
    handler: "not-there.mjs",
    type: "Runtime.ExitError",
    initTimeoutMs: 10_000,
    says: /Cannot find module/,
  },
])
  test(`what is no server, as ${handler}, fails its start and says why`, async (t) => {
    const agent = await startServer(t, { handler }, { initTimeoutMs });
    const answer = await agent.invoke("server", { json: {} });
    assert.equal(answer.headers["meridian-function-error"], "Unhandled", answer.text);
    assert.equal(answer.json()["errorType"], type);
    assert.match(String(answer.json()["errorMessage"]), says);
  });

test(
  "a server in Python streams as well",
  hasPython() ? {} : { skip: "python3 was not found on this machine" },
  async (t) => {
    const agent = await startServer(t, { runtime: "python", handler: "server.py" });
    const answer = await agent.invoke("server", get("/"));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text, "data: one\n\ndata: two\n\n");
  },
);
