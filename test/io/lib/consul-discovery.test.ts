import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { pino } from "pino";
import { openDiscovery } from "#lib/io/open-discovery.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { OpenDiscovery } from "#lib/ports/discovery.ts";
import { endpointOf } from "../../contract/discovery.contract.ts";
import { findEngine } from "../../engines/find-engine.ts";
import { type RunningConsul, startConsul } from "../../engines/start-consul.ts";
import { ZONES } from "../federator-api/zones.ts";
import { until } from "../federator/support/until.ts";

const engine = await findEngine("consul");
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-consul-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const open = async (
  context: TestContext,
  address: string,
  runDirectory: string,
): Promise<OpenDiscovery> => {
  const discovery = await openDiscovery(
    { kind: "consul", address, pollIntervalMs: 100, timeoutMs: 500 },
    {
      program: "gateway",
      zone: "eu-west",
      zones: ZONES,
      runDirectory: join(folder, runDirectory),
      clock: systemClock,
      log: pino({ level: "silent" }),
    },
  );
  context.after(discovery.close);
  return discovery;
};
const bootIds = async (discovery: OpenDiscovery): Promise<string[]> =>
  (await discovery.list()).map(({ bootId }) => bootId).toSorted();
async function serve(context: TestContext, answer: RequestListener): Promise<[string, Server]> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return [`http://127.0.0.1:${address.port}`, server];
}

describe("with a real Consul", { skip: engine.kind === "missing" ? engine.reason : false }, () => {
  let consul: RunningConsul;
  before(async () => {
    assert.ok(engine.kind === "found");
    consul = await startConsul(engine.path);
  });
  after(() => consul.stop());

  test("Consul frozen, killed and back without its memory changes nothing of what is known", async (context) => {
    const announcer = await open(context, consul.address, "announcer");
    await announcer.announce(endpointOf("federator", "us-east", "lives"));
    const discovery = await open(context, consul.address, "one");
    await until("it is found", async () => (await bootIds(discovery)).length === 1);

    consul.signal("SIGSTOP");
    const frozenAtMs = performance.now();
    while (performance.now() - frozenAtMs < 1_500) {
      assert.deepEqual(await bootIds(discovery), ["lives"]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok((discovery.observer?.ageMs() ?? 0) >= 1_000, "its age tells that it is not heard");
    const started = await open(context, consul.address, "one");
    assert.deepEqual(
      await bootIds(started),
      ["lives"],
      "a program that starts meanwhile remembers",
    );
    consul.signal("SIGKILL");
    assert.deepEqual(await bootIds(discovery), ["lives"]);
    const again = await open(context, consul.address, "one");
    assert.deepEqual(await bootIds(again), ["lives"]);

    await rm(join(consul.folder, "consul"), { recursive: true });
    await consul.restart();
    const fresh = await open(context, consul.address, "two");
    await until("the announcer is there again", async () => (await bootIds(fresh)).length === 1);
    assert.deepEqual(await bootIds(discovery), ["lives"]);
  });

  test("Consul's own check of a cluster is told, with its age", async (context) => {
    const [admin, server] = await serve(context, (_request, response) => response.end("ok"));
    const announcer = await open(context, consul.address, "agent");
    await announcer.announce(endpointOf("agent", "eu-west", "checked", admin));
    const discovery = await open(context, consul.address, "observer");
    const { observer } = discovery;
    assert.ok(observer !== undefined);
    await until("it is up", async () => observer.views().get("eu-west-1") === "up");
    assert.ok(observer.ageMs() < 5_000);
    server.closeAllConnections();
    server.close();
    await until("it is down", async () => observer.views().get("eu-west-1") === "down");
    assert.deepEqual([...observer.views().keys()], ["eu-west-1"]);
    assert.ok((await bootIds(discovery)).includes("checked"), "and still found");
  });
});

const entry = (text: string) => ({
  Service: { Meta: { endpoint: text }, CreateIndex: 1 },
  Checks: [{ Status: "passing" }],
});
const json =
  (body: unknown): RequestListener =>
  (_request, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));

test("a hostile, huge or broken answer is no answer: what is known stays", async (context) => {
  const endpoint = endpointOf("agent", "eu-west", "known");
  const good = (url = ""): unknown =>
    url.includes("meridian-agent") ? [entry(JSON.stringify(endpoint))] : [];
  const lies: Record<string, RequestListener> = {
    "an error": (_request, response) => void response.writeHead(500).end("no leader"),
    "no JSON": (_request, response) =>
      void response.writeHead(200, { "content-type": "application/json" }).end("<html>"),
    "no list": json({ Service: 1 }),
    "entries of another shape": json([1, null, { Service: { Meta: null } }, entry("{")]),
    "an endpoint with more fields": json([entry(JSON.stringify({ ...endpoint, more: 1 }))]),
    "an endpoint without URLs": json([
      entry(JSON.stringify({ ...endpoint, bootId: "liar", urls: { admin: "nowhere" } })),
    ]),
    "an endless answer": (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = (): void => {
        while (!response.destroyed && response.write("[".repeat(1 << 16)));
      };
      response.on("drain", more);
      more();
    },
    "a connection cut in the middle": (request) => void request.socket.destroy(),
    silence: () => undefined,
  };
  let answer: RequestListener = (request, response) => json(good(request.url))(request, response);
  let asked = 0;
  const [address] = await serve(context, (request, response) => {
    asked += 1;
    answer(request, response);
  });
  const discovery = await open(context, address, "hostile");
  assert.deepEqual(await bootIds(discovery), ["known"]);
  for (const [name, lie] of Object.entries(lies)) {
    answer = lie;
    const askedBefore = asked;
    await until(`it was asked and told ${name}`, async () => asked > askedBefore + 8);
    assert.deepEqual(await bootIds(discovery), ["known"], name);
  }
});
