import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { startAgentProcess } from "./support/agent-process.ts";
import { eventually, isAlive, type Placed, startAgentHere } from "./support/agent-world.ts";

const placed = (name: string, manifest: Placed["manifest"] = {}): Placed => ({
  name,
  manifest: { handler: `streaming.${name}`, ...manifest },
});
const GET = { method: "GET", path: "/", rawQuery: "" };

async function fileOf(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "streaming-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "go");
}

const firstOf = async (body: Readable): Promise<string> =>
  String((await body.iterator({ destroyOnReturn: false }).next()).value);

test("an answer arrives as it is made, and keeps its instance until it is over", async (t) => {
  const agent = await startAgentHere(t, [placed("waitsForFile", { timeoutMs: 20_000 })]);
  const file = await fileOf(t);
  const first = await agent.open("waitsForFile", { json: { file } });
  assert.equal(first.status, 200);
  assert.equal(first.headers["content-type"], "text/event-stream");
  assert.equal(first.headers["meridian-executed"], "true");
  assert.equal(first.headers["content-length"], undefined);
  const said = await firstOf(first.body);

  const second = await agent.open("waitsForFile", { json: { file } });
  assert.notEqual(await firstOf(second.body), said, "both calls run in one instance");
  await writeFile(file, "");
  assert.equal(await text(first.body), "data: last\n\n");
  assert.equal(await text(second.body), "data: last\n\n");
  const third = await agent.invoke("waitsForFile", { json: { file } });
  assert.equal(third.headers["meridian-cold-start"], "false", "its slots were not given back");
});

test("what it says of its head counts at both doors, but for what is not the function's", async (t) => {
  const agent = await startAgentHere(t, [placed("withHead"), placed("plain")]);
  for (const http of [undefined, GET]) {
    const answer = await agent.invoke("withHead", http === undefined ? { json: {} } : { http });
    assert.equal(answer.status, 404, answer.text);
    assert.equal(answer.headers["content-type"], "text/plain");
    assert.equal(answer.headers["x-own"], "yes");
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(answer.isExecuted, true);
    assert.equal(answer.text, "nothing here");
  }
  const plain = await agent.invoke("plain", { json: {} });
  assert.equal(plain.headers["content-type"], "application/octet-stream");
  assert.equal(plain.text, "bytes");
});

test("a head that cannot be sent is the function's failure, and a body that may not be is dropped", async (t) => {
  const agent = await startAgentHere(t, [placed("badHead"), placed("noBody")]);
  const bad = await agent.invoke("badHead", { http: GET });
  assert.equal(bad.status, 502);
  assert.equal(bad.json()["code"], "MERIDIAN_FUNCTION_FAILED");
  const empty = await agent.invoke("noBody", { http: GET });
  assert.equal(empty.status, 204);
  assert.equal(empty.text, "");
});

test("a stream may be longer than what is answered whole", async (t) => {
  const agent = await startAgentHere(t, [placed("much", { timeoutMs: 20_000 })]);
  const { body } = await agent.open("much", { json: { bytes: 20_000_000 } });
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  assert.equal(bytes, 20_000_000);
});

test("a failure before the first byte is told as any other, one after it cuts the answer", async (t) => {
  const agent = await startAgentHere(t, [placed("failsFirst"), placed("failsLater")]);
  const early = await agent.invoke("failsFirst", { json: {} });
  assert.equal(early.headers["meridian-function-error"], "Handled");
  assert.equal(early.json()["errorType"], "RangeError");
  // Over plain HTTP the cut may overtake the head.
  await assert.rejects(async () => {
    const later = await agent.open("failsLater", { json: {}, requestId: "r-9" });
    assert.equal(later.status, 200);
    await text(later.body);
  }, isNoAssertion);
  const logs = await agent.get("/internal/logs?tenant=demo&function=failslater&requestId=r-9");
  assert.match(logs.text, /RangeError: too far/);
});

test("a handler that only pipes into its stream may return before it has ended", async (t) => {
  const agent = await startAgentHere(t, [placed("pipes")]);
  assert.equal((await agent.invoke("pipes", { json: {} })).text, "one two");
});

test("a stream that is never ended is cut at the time limit, and its instance ends", async (t) => {
  const agent = await startAgentHere(t, [placed("neverEnds", { timeoutMs: 1_500 })]);
  const { body } = await agent.open("neverEnds", { json: {}, requestId: "r-8" });
  await assert.rejects(text(body));
  const [, instance = 0] = agent.pids();
  await eventually(async () => !(await isAlive(instance)));
  const logs = await agent.get("/internal/logs?tenant=demo&function=neverends&requestId=r-8");
  assert.match(logs.text, /Task timed out after 1.50 seconds/);
});

test("a caller who leaves is told to the handler", async (t) => {
  const agent = await startAgentHere(t, [placed("neverEnds", { timeoutMs: 20_000 })]);
  const { body } = await agent.open("neverEnds", { json: {} });
  await firstOf(body);
  body.destroy();
  await eventually(async () => {
    const logs = await agent.get("/internal/logs?tenant=demo&function=neverends");
    return logs.text.includes("nobody is there");
  });
});

test("an instance that exits or is killed under its answer cuts it, and leaves nothing", async (t) => {
  const agent = await startAgentHere(t, [
    placed("exitsLater"),
    placed("neverEnds", { timeoutMs: 20_000 }),
  ]);
  const exits = await agent.open("exitsLater", { json: {} });
  await assert.rejects(text(exits.body));
  const killed = await agent.open("neverEnds", { json: {} });
  await firstOf(killed.body);
  const [, instance = 0] = agent.pids();
  process.kill(instance, "SIGKILL");
  await assert.rejects(text(killed.body));
  await eventually(() => agent.pids().length === 1);
});

test("an agent that is killed under its streams cuts them, and no instance outlives the launcher's grace", async (t) => {
  const server = { interface: "http", handler: "server.mjs", timeoutMs: 20_000 } as const;
  const agent = await startAgentProcess(
    t,
    [placed("neverEnds", { timeoutMs: 20_000 }), { name: "server", manifest: server }],
    { launcherGraceMs: 300, poolMegabytesMax: 0 },
  );
  const handler = await agent.open("neverEnds", { json: {} });
  const waits = { method: "GET", path: "/waits", rawQuery: "file=/nowhere/at/all" };
  const served = await agent.open("server", { http: waits });
  await eventually(() => agent.pids.length === 3);
  const pids = [...agent.pids];
  agent.child.kill("SIGKILL");
  await assert.rejects(text(handler.body));
  await assert.rejects(text(served.body));
  for (const pid of pids) await eventually(async () => !(await isAlive(pid)));
});

test("of a streamed answer a key alone is kept: it does not run again", async (t) => {
  const agent = await startAgentHere(t, [
    placed("plain"),
    placed("waitsForFile", { timeoutMs: 20_000 }),
  ]);
  const keyed = { json: {}, headers: { "meridian-idempotency-key": "k-1" } };
  const first = await agent.invoke("plain", keyed);
  assert.equal(first.text, "bytes");
  assert.equal(first.headers["meridian-replay-kept"], "key");
  const second = await agent.invoke("plain", keyed);
  assert.equal(second.status, 409);
  assert.equal(second.json()["code"], "MERIDIAN_ANSWER_NOT_KEPT");

  const file = await fileOf(t);
  const same = { json: { file }, headers: { "meridian-idempotency-key": "k-2" } };
  const running = await agent.open("waitsForFile", same);
  assert.equal((await agent.invoke("waitsForFile", same)).status, 409);
  await writeFile(file, "");
  assert.match(await text(running.body), /last/);
});

const isNoAssertion = (error: unknown): boolean => !(error instanceof assert.AssertionError);
