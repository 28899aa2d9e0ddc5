import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { RouteExplanation } from "#lib/contracts/api-status.ts";
import { RouteExplanation as ExplanationSchema } from "#lib/contracts/api-status.ts";
import { GatewayReport } from "#lib/contracts/zone-report.ts";
import { Value } from "typebox/value";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import {
  BOOT_TOKEN,
  DEMO_KEY,
  eventually,
  invoke,
  OTHER_KEY,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

const FUNCTIONS = [
  { name: "echo" },
  { name: "again", idempotent: true },
  { name: "eu", regions: ["eu"] },
];

describe("a gateway's life", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let agents: FakeAgent[];
  let gateway: RunningGateway | undefined;

  beforeEach(async () => {
    federation = await testFederation();
    federator = await startFakeFederator();
    await federation.publish("federator", "eu-west", federator.url);
    agents = await Promise.all(threeZones.map(({ name }) => startFakeAgent(name)));
    for (const [index, { name }] of threeZones.entries())
      await federation.publish("agent", name, agents[index]?.url ?? "");
  });
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
    await Promise.all(agents.map((agent) => agent.close()));
    await federator.close();
    await federation.remove();
  });

  const start = async (changes: Parameters<TestFederation["startGateway"]>[0] = {}) => {
    const started = await federation.startGateway(changes);
    gateway = started;
    return started;
  };
  const startReady = async (changes: Parameters<TestFederation["startGateway"]>[0] = {}) => {
    federator.sendTable(tableEntries({ functions: FUNCTIONS }), 5);
    federator.grantAll();
    const started = await start(changes);
    await eventually(async () => (await fetch(`${started.publicUrl}/readyz`)).status === 200);
    return started;
  };

  test("it is not ready before it has a table, and acknowledges the one it gets", async () => {
    const started = await start();
    const early = await fetch(`${started.publicUrl}/readyz`);
    assert.equal(early.status, 503);
    assert.equal((await fetch(`${started.publicUrl}/healthz`)).status, 200);
    assert.equal((await invoke(started, "echo")).status, 503);
    federator.sendTable(tableEntries({ functions: FUNCTIONS }), 5);
    await eventually(async () => (await fetch(`${started.publicUrl}/readyz`)).status === 200);
    assert.equal((await fetch(`${started.admin.url}/readyz`)).status, 200);
    await eventually(() => federator.acks.some(({ position }) => position?.revision === 5));
    assert.equal(federator.acks[0]?.receiver, "eu-west.gateway");
  });

  test("it serves from disk, limits included, when no federator runs any more", async () => {
    const first = await startReady();
    assert.equal((await invoke(first, "echo")).status, 200);
    await eventually(() => federator.acks.length >= 2);
    await first.stop();
    await federator.close();
    await federation.withdraw("federator", "eu-west");

    const second = await start();
    await eventually(async () => (await fetch(`${second.publicUrl}/readyz`)).status === 200);
    assert.equal((await invoke(second, "echo")).status, 200);
    const control = await fetch(`${second.publicUrl}/v1/status`);
    assert.equal(control.status, 503);
    assert.equal(((await control.json()) as { code: string }).code, "MERIDIAN_CONTROL_UNAVAILABLE");
  });

  test("a tenant beyond its rate is told so, why, and when to come again; its neighbour is not", async () => {
    const limits = { "requests-per-second": 10, burst: 10, concurrency: 100 };
    federator.sendTable(tableEntries({ functions: FUNCTIONS, limits }), 5);
    federator.grantAll();
    const started = await start();
    await eventually(async () => (await fetch(`${started.publicUrl}/readyz`)).status === 200);
    const answers = await Promise.all(Array.from({ length: 40 }, () => invoke(started, "echo")));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 20, `${refused.length}`);
    const [one] = refused;
    assert.ok(one !== undefined);
    assert.equal(one.headers.get("retry-after"), "1");
    assert.equal(one.headers.get("ratelimit-policy"), '"requests-per-second";q=10;w=1');
    assert.equal(one.headers.get("ratelimit"), '"requests-per-second";r=0;t=1');
    assert.ok(one.headers.get("x-request-id") !== null);
    const body = (await one.json()) as { code: string; reason: string };
    assert.equal(body.code, "MERIDIAN_RATE_LIMITED");
    assert.equal(body.reason, "FunctionInvocationRateLimitExceeded");
    await eventually(() =>
      federator.reports.some(
        (report) =>
          Value.Check(GatewayReport, report) &&
          report.demand.some(({ requestsPerSecond }) => requestsPerSecond > 10),
      ),
    );
  });

  test("a tenant with all its calls running is told so; an ended call makes room", async () => {
    const limits = { "requests-per-second": 1_000_000, burst: 1_000_000, concurrency: 2 };
    federator.sendTable(tableEntries({ functions: FUNCTIONS, limits }), 5);
    federator.grantAll();
    const started = await start();
    await eventually(async () => (await fetch(`${started.publicUrl}/readyz`)).status === 200);
    const [home] = agents;
    assert.ok(home !== undefined);
    home.behaviour = "hang";
    const leaving = new AbortController();
    const calls = [1, 2].map(() => invoke(started, "echo", { signal: leaving.signal }));
    await eventually(() => home.calls.length === 2);
    const third = await invoke(started, "echo");
    assert.equal(third.status, 429);
    assert.equal(
      ((await third.json()) as { reason: string }).reason,
      "ConcurrentInvocationLimitExceeded",
    );
    leaving.abort();
    await Promise.allSettled(calls);
    home.behaviour = "answer";
    await eventually(async () => (await invoke(started, "echo")).status === 200);
  });

  test("the overlay of the zone's federator takes a cluster out, until it expires", async () => {
    const started = await startReady();
    const zone = async () => (await invoke(started, "echo")).headers.get("meridian-zone");
    assert.equal(await zone(), "eu-west");
    federator.send({ kind: "overlay", downClusters: ["eu-west-1"], validMs: 400 });
    await eventually(async () => (await zone()) === "us-east");
    await eventually(async () => (await zone()) === "eu-west");
  });

  test("with failover off every call goes home, whatever is known, and is tried once", async () => {
    federator.sendTable(tableEntries({ functions: FUNCTIONS, down: ["eu-west-1"] }), 5);
    federator.grantAll();
    const started = await start({ failover: "off" });
    await eventually(async () => (await fetch(`${started.publicUrl}/readyz`)).status === 200);
    assert.equal((await invoke(started, "again")).headers.get("meridian-zone"), "eu-west");
    await agents[0]?.close();
    for (let call = 0; call < 3; call += 1) {
      const answer = await invoke(started, "again");
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get("meridian-attempts"), "1");
    }
  });

  test("it explains where a call would go, by the code that decides", async () => {
    const started = await startReady();
    const explain = async (query: string, key = DEMO_KEY) => {
      const answer = await fetch(`${started.publicUrl}/v1/route:explain?${query}`, {
        headers: { authorization: `Bearer ${key}` },
      });
      const body: unknown = await answer.json();
      if (answer.status === 200) assert.ok(Value.Check(ExplanationSchema, body));
      return { status: answer.status, body: body as RouteExplanation };
    };
    const { body: us } = await explain("function=echo&ip=8.8.8.8");
    assert.deepEqual(
      [us.chosen, us.origin.source, us.origin.value],
      ["us-east-1", "address", "US"],
    );
    assert.equal(us.position.revision, 5);
    const bound = "function=eu&region=ap-south";
    const unconfirmed = (await explain(bound)).body;
    assert.equal(unconfirmed.chosen, null, "as a call would be refused");
    assert.match(unconfirmed.candidates[0]?.reason ?? "", /could not confirm/);
    federator.confirm();
    await eventually(async () => (await explain(bound)).body.chosen === "eu-west-1");
    const { body: eu } = await explain(bound);
    assert.deepEqual(
      eu.candidates.map(({ zone, decision }) => `${zone} ${decision}`),
      ["eu-west chosen", "us-east refused", "ap-south refused"],
    );
    assert.match(eu.candidates[1]?.reason ?? "", /permits eu/);
    assert.equal((await explain("function=echo&ip=nonsense")).status, 400);
    assert.equal((await explain("function=echo&region=mars")).status, 400);
    assert.equal((await explain("")).status, 400);
    assert.equal((await explain("tenant=demo&function=echo", OTHER_KEY)).status, 404);
    assert.equal((await explain("function=echo", "mk_wrong")).status, 401);
  });

  test("the management API is passed on: method, path, headers, a large body, and who called", async () => {
    const started = await startReady();
    const bytes = randomBytes(20 * 1024 * 1024);
    const answer = await fetch(`${started.publicUrl}/v1/tenants/demo/code/sha256:ab?x=1`, {
      method: "PUT",
      headers: {
        authorization: `Bearer ${DEMO_KEY}`,
        "content-type": "application/zip",
        "content-length": String(bytes.length),
        "if-match": '"5"',
        "meridian-boot-token": "guess",
      },
      body: Readable.toWeb(Readable.from(bytes.length > 0 ? [bytes] : [])) as ReadableStream,
      duplex: "half",
    });
    assert.equal(answer.status, 200);
    assert.ok(answer.headers.get("x-request-id") !== null);
    const [passed] = federator.passed;
    assert.equal(passed?.bytes, bytes.length);
    assert.equal(passed.request.method, "PUT");
    assert.equal(passed.request.url, "/v1/tenants/demo/code/sha256:ab?x=1");
    const { headers } = passed.request;
    assert.equal(headers.authorization, `Bearer ${DEMO_KEY}`);
    assert.equal(headers["if-match"], '"5"');
    assert.equal(headers["meridian-boot-token"], BOOT_TOKEN);
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-request-id"], answer.headers.get("x-request-id"));
  });

  test("what the management API answers without a body harms no gateway", async () => {
    const started = await startReady();
    for (let round = 0; round < 5; round += 1) {
      const head = await fetch(`${started.publicUrl}/openapi.json`, { method: "HEAD" });
      assert.equal(head.status, 200);
      const gone = await fetch(`${started.publicUrl}/v1/nothing-left`, { method: "DELETE" });
      assert.equal(gone.status, 204);
    }
    const whole = await fetch(`${started.publicUrl}/v1/status`);
    assert.equal(((await whole.json()) as { path: string }).path, "/v1/status");
  });

  test("a federator that answers before an upload ends is heard", async () => {
    const started = await startReady();
    const answer = await fetch(`${started.publicUrl}/v1/early-refusal`, {
      method: "POST",
      body: randomBytes(1024 * 1024),
    });
    assert.equal(answer.status, 413);
  });

  test("a body beyond what the management API takes never reaches a federator", async () => {
    const started = await startReady();
    federator.passed.length = 0;
    const code = "/v1/tenants/demo/code/sha256:ab";
    const declared = [
      ["/v1/quota-requests", 1024 * 1024 + 1, "MERIDIAN_BODY_TOO_LARGE"],
      [code, 50 * 1024 * 1024 + 1, "MERIDIAN_CODE_TOO_LARGE"],
    ] as const;
    for (const [path, bytes, expected] of declared) {
      const sending = request(`${started.publicUrl}${path}`, {
        method: "PUT",
        headers: { "content-length": bytes },
      });
      sending.flushHeaders();
      const [answer] = (await once(sending, "response")) as [IncomingMessage];
      assert.equal(answer.statusCode, 413, "before any byte of the body");
      assert.equal(answer.headers["meridian-error-code"], expected);
      sending.on("error", () => undefined).destroy();
    }
    const chunked = await fetch(`${started.publicUrl}/v1/quota-requests`, {
      method: "POST",
      body: Readable.from([randomBytes(1024 * 1024), randomBytes(1)]),
      duplex: "half",
    });
    assert.equal(chunked.status, 413);
    assert.equal(((await chunked.json()) as { code: string }).code, "MERIDIAN_BODY_TOO_LARGE");
    assert.deepEqual(federator.passed, []);
  });

  test("with its own federator gone another zone's is asked, with the body untouched", async () => {
    const started = await startReady();
    const other = await startFakeFederator();
    try {
      await federation.publish("federator", "us-east", other.url);
      await federator.close();
      await eventually(async () => {
        const answer = await fetch(`${started.publicUrl}/v1/quota-requests`, {
          method: "POST",
          body: '{"a":1}',
        });
        await answer.text();
        return answer.status === 200;
      });
      assert.equal(other.passed.at(-1)?.bytes, 7);
    } finally {
      await other.close();
    }
  });

  test("with its own federator standing still, a write is sent to another zone's at once", async () => {
    const started = await startReady();
    const other = await startFakeFederator();
    const standing = createServer().listen(0, "127.0.0.1");
    await once(standing, "listening");
    try {
      await federation.publish("federator", "us-east", other.url);
      const { port } = standing.address() as AddressInfo;
      await federation.publish("federator", "eu-west", `http://127.0.0.1:${port}`);
      await eventually(async () => {
        const answer = await fetch(`${started.publicUrl}/v1/quota-requests`, {
          method: "POST",
          body: '{"a":1}',
          signal: AbortSignal.timeout(15_000),
        });
        await answer.text();
        return answer.status === 200 && other.passed.length > 0;
      });
      assert.equal(other.passed.at(-1)?.bytes, 7);
    } finally {
      standing.close();
      await other.close();
    }
  });

  test("stopping finishes the calls that run and takes no new ones", async () => {
    const started = await startReady();
    const [home] = agents;
    assert.ok(home !== undefined);
    home.behaviour = "stream";
    const running = Array.from({ length: 5 }, () => invoke(started, "echo"));
    await eventually(() => home.calls.length === 5);
    const stopping = started.stop();
    gateway = undefined;
    const answers = await Promise.all(running);
    for (const answer of answers)
      assert.equal(await answer.text(), "piece 0;piece 1;piece 2;piece 3;piece 4;");
    await stopping;
    await assert.rejects(invoke(started, "echo"));
  });

  test(
    "two gateways share a port where the system can",
    { skip: process.platform !== "linux" },
    async () => {
      const sharedPort = await freePort();
      const first = await startReady({ sharedPort });
      const second = await federation.startGateway({
        sharedPort,
        zone: "us-east",
        stateDirectory: `${federation.directory}/second`,
      });
      const shared = `http://127.0.0.1:${sharedPort}/healthz`;
      assert.equal((await fetch(shared)).status, 200);
      await second.stop();
      assert.equal((await fetch(shared, { headers: { connection: "close" } })).status, 200);
      assert.equal((await fetch(`${first.publicUrl}/healthz`)).status, 200);
    },
  );

  test("a shared port that somebody else has is said, not taken", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    assert.ok(address !== null && typeof address === "object");
    await assert.rejects(start({ sharedPort: address.port }), /EADDRINUSE/);
    taken.close();
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return address.port;
}
