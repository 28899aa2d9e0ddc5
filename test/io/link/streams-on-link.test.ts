import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { AgentClient } from "../../../gateway/io/agent-client.ts";
import { openAgentClient } from "../../../gateway/io/open-agent-client.ts";
import type { AgentRequest, Outcome, StreamedBody } from "../../../gateway/ports.ts";
import { startAgentProcess } from "../agents/support/agent-process.ts";
import {
  endpointOf,
  eventually,
  isAlive,
  type Placed,
  type RunningAgent,
  startAgentHere,
} from "../agents/support/agent-world.ts";
import { BOOT_TOKEN } from "./link-world.ts";

const MEBIBYTE = 1024 * 1024;
/** No test waits for it: a machine that does much else may take its time. */
const DEADLINE_MS = 240_000;

const PLACED: readonly Placed[] = [
  {
    name: "server",
    manifest: { interface: "http", handler: "server.mjs", concurrency: 4, timeoutMs: DEADLINE_MS },
  },
  { name: "waitsForFile", manifest: { handler: "streaming.waitsForFile", timeoutMs: DEADLINE_MS } },
  { name: "much", manifest: { handler: "streaming.much", timeoutMs: DEADLINE_MS } },
  { name: "neverEnds", manifest: { handler: "streaming.neverEnds", timeoutMs: DEADLINE_MS } },
  { name: "echo", manifest: {} },
];

interface World {
  readonly agent: RunningAgent;
  readonly client: AgentClient;
}

/** The gateway's end of a link to a real agent with real instances. */
async function startWorld(t: TestContext): Promise<World> {
  const agent = await startAgentHere(t, PLACED);
  const { urls } = await endpointOf(agent.config);
  const client = openAgentClient(urls.internal ?? "", BOOT_TOKEN, systemClock);
  t.after(() => client.close());
  // A link is there from the first call on, and with it what the agent can do.
  await eventually(async () => (await send(client, "echo", { json: {} })).kind === "answered");
  return { agent, client };
}

interface SendOptions {
  readonly json?: unknown;
  readonly http?: { readonly method: string; readonly path: string; readonly rawQuery?: string };
  readonly body?: StreamedBody;
  readonly callerGone?: AbortSignal;
}

function send(client: AgentClient, name: string, options: SendOptions): Promise<Outcome> {
  const { http } = options;
  const parts = http && {
    rawQuery: "",
    ...http,
    headers: {},
    cookies: [],
    sourceIp: "192.0.2.1",
    domainName: "demo.example",
  };
  const request: AgentRequest = {
    headers: {
      [INVOCATION_HEADERS.tenant]: "demo",
      [INVOCATION_HEADERS.functionName]: name.toLowerCase(),
      [INVOCATION_HEADERS.version]: "1",
      [INVOCATION_HEADERS.requestId]: "r-1",
      [INVOCATION_HEADERS.deadlineMs]: String(DEADLINE_MS),
      [INVOCATION_HEADERS.door]: http === undefined ? "invoke" : "http",
      ...(parts === undefined
        ? { "content-type": "application/json" }
        : { [INVOCATION_HEADERS.httpRequest]: encodeURIComponent(JSON.stringify(parts)) }),
    },
    body:
      options.body ?? Buffer.from(options.json === undefined ? "" : JSON.stringify(options.json)),
    deadlineAtMs: systemClock.nowMs() + DEADLINE_MS,
    callerGone: options.callerGone ?? new AbortController().signal,
    isIdempotent: false,
  };
  return client.send(request, "go");
}

async function answered(outcome: Promise<Outcome>) {
  const end = await outcome;
  assert.ok(end.kind === "answered", JSON.stringify(end));
  const { status, headers, body, trailers = () => ({}) } = end.answer;
  return {
    status,
    headers,
    body: body instanceof Readable ? body : Readable.from([body]),
    trailers,
  };
}

async function residentBytes(pid: number | undefined): Promise<number> {
  const [, kibibytes = ""] =
    /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

const streamed = (
  chunks: AsyncIterable<Uint8Array>,
  more: Partial<StreamedBody> = {},
): StreamedBody => ({
  upgrade: undefined,
  read: () => chunks[Symbol.asyncIterator](),
  isTouched: () => true,
  trailers: () => ({}),
  ...more,
});

async function fileOf(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "streams-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "go");
}

test("the first event is with the gateway before the handler makes the last", async (t) => {
  const { client } = await startWorld(t);
  const file = await fileOf(t);
  const { body, headers } = await answered(send(client, "waitsForFile", { json: { file } }));
  assert.equal(headers["content-type"], "text/event-stream");
  const first = await body.iterator({ destroyOnReturn: false }).next();
  assert.match(String(first.value), /^data: \d+\n\n$/);
  await writeFile(file, "");
  assert.equal(await text(body), "data: last\n\n");
});

test("a body of any length goes up as it is taken, with its trailers", async (t) => {
  const { client } = await startWorld(t);
  const words = (async function* () {
    for (let count = 0; count < 200; count += 1) yield Buffer.alloc(10_000, 97);
  })();
  const body = streamed(words, { trailers: () => ({ "x-sum": "7" }) });
  const answer = await answered(
    send(client, "server", { http: { method: "POST", path: "/tells" }, body }),
  );
  const told = JSON.parse(await text(answer.body));
  assert.equal(told.body.length, 2_000_000);
  assert.deepEqual(told.trailers, { "x-sum": "7" });
  assert.equal(told.headers["transfer-encoding"], "chunked");
});

test("the trailers of an answer come with its end", async (t) => {
  const { client } = await startWorld(t);
  const file = await fileOf(t);
  await writeFile(file, "");
  const rawQuery = `file=${encodeURIComponent(file)}`;
  const { body, trailers } = await answered(
    send(client, "server", { http: { method: "GET", path: "/waits", rawQuery } }),
  );
  assert.equal(await text(body), "first;last");
  assert.deepEqual(trailers(), { "x-sum": "5" });
});

test("an upgraded connection is raw bytes both ways until one side ends it", async (t) => {
  const { client } = await startWorld(t);
  const said = Promise.withResolvers<void>();
  const words = (async function* () {
    yield Buffer.from("one ");
    await said.promise;
    yield Buffer.from("two");
  })();
  const body = streamed(words, { upgrade: "echo" });
  const answer = await answered(
    send(client, "server", { http: { method: "GET", path: "/" }, body }),
  );
  assert.equal(answer.status, 101);
  assert.equal(answer.headers["x-own"], "yes");
  let heard = "";
  for await (const chunk of answer.body) {
    heard += String(chunk);
    if (heard === "hello;one ") said.resolve();
  }
  assert.equal(heard, "hello;one two");
});

test("an upgrade that the server declines is answered as any request, and a handler refuses it", async (t) => {
  const { client } = await startWorld(t);
  const nothing = (async function* () {})();
  const body = streamed(nothing, { upgrade: "other" });
  const http = { method: "GET", path: "/" };
  const declined = await answered(send(client, "server", { http, body }));
  assert.equal(declined.status, 426);
  const refused = await answered(send(client, "echo", { http, body }));
  assert.equal(refused.status, 400);
  assert.match(await text(refused.body), /MERIDIAN_UPGRADE_UNSUPPORTED/);
});

test("who does not read holds up the function, and no more of the agent than the credit", async (t) => {
  const { client } = await startWorld(t);
  const { body } = await answered(send(client, "much", { json: { bytes: 64 * MEBIBYTE } }));
  await body.iterator({ destroyOnReturn: false }).next();
  assert.equal((await send(client, "echo", { json: {} })).kind, "answered", "others wait for it");
  let bytes = 0;
  for await (const chunk of body) bytes += (chunk as Buffer).length;
  assert.ok(bytes > 63 * MEBIBYTE);
});

test("what is far larger than an agent's memory may be goes through it", async (t) => {
  const agent = await startAgentProcess(t, PLACED, {});
  const { urls } = await endpointOf(agent.config);
  const client = openAgentClient(urls.internal ?? "", BOOT_TOKEN, systemClock);
  t.after(() => client.close());
  const take = async (bytes: number): Promise<number> => {
    const { body } = await answered(send(client, "much", { json: { bytes } }));
    let taken = 0;
    for await (const chunk of body) taken += (chunk as Buffer).length;
    return taken;
  };
  await take(MEBIBYTE);
  const beforeBytes = await residentBytes(agent.child.pid);
  assert.ok((await take(128 * MEBIBYTE)) >= 128 * MEBIBYTE);
  const grownMebibytes = ((await residentBytes(agent.child.pid)) - beforeBytes) / MEBIBYTE;
  t.diagnostic(`128 MiB: ${grownMebibytes.toFixed(0)} MiB more resident`);
  assert.ok(grownMebibytes < 110, `${grownMebibytes} MiB`);
});

test("a caller who leaves ends the call in its instance", async (t) => {
  const { agent, client } = await startWorld(t);
  const leaving = new AbortController();
  const { body } = await answered(
    send(client, "neverEnds", { json: {}, callerGone: leaving.signal }),
  );
  body.on("error", () => undefined);
  leaving.abort();
  await eventually(async () => {
    const logs = await agent.get("/internal/logs?tenant=demo&function=neverends");
    return logs.text.includes("nobody is there");
  });
});

test("a body that its caller breaks off reaches the server as broken", async (t) => {
  const { client } = await startWorld(t);
  const broken = (async function* () {
    yield Buffer.from("half");
    throw new Error("the caller is gone");
  })();
  const http = { method: "POST", path: "/tells" };
  const outcome = await send(client, "server", { http, body: streamed(broken) });
  assert.notEqual(outcome.kind, "answered");
  const again = await answered(send(client, "server", { http: { method: "GET", path: "/pid" } }));
  assert.equal(again.status, 200);
});

test("an instance that is killed under its stream cuts it, and nothing of it stays", async (t) => {
  const { agent, client } = await startWorld(t);
  const before = new Set(agent.pids());
  const { body } = await answered(send(client, "neverEnds", { json: {} }));
  await body.iterator({ destroyOnReturn: false }).next();
  const [instance = 0] = agent.pids().filter((pid) => !before.has(pid));
  process.kill(instance, "SIGKILL");
  await assert.rejects(text(body));
  await eventually(async () => !(await isAlive(instance)) && !agent.pids().includes(instance));
});

test("a launcher that is killed takes the instances with it, and cuts what they were at", async (t) => {
  const { agent, client } = await startWorld(t);
  const { body } = await answered(send(client, "neverEnds", { json: {} }));
  await body.iterator({ destroyOnReturn: false }).next();
  const file = await fileOf(t);
  const rawQuery = `file=${encodeURIComponent(file)}`;
  const waits = await answered(
    send(client, "server", { http: { method: "GET", path: "/waits", rawQuery } }),
  );
  const [launcher = 0, ...instances] = agent.pids();
  process.kill(launcher, "SIGKILL");
  await assert.rejects(text(body));
  await assert.rejects(text(waits.body));
  for (const pid of instances) await eventually(async () => !(await isAlive(pid)));
});
