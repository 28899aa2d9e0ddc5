import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Value } from "typebox/value";
import { hashApiKey } from "#lib/api-key.ts";
import { GatewayState } from "#lib/contracts/gateway-state.ts";
import { RoutingReceipt } from "#lib/contracts/routing-receipt.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import { readMetrics } from "./metrics-text.ts";
import {
  DEMO_KEY,
  eventually,
  invoke,
  READER_KEY,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

const OPERATOR_KEY = "mk_operator_key";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

describe("what a gateway tells of itself", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let home: FakeAgent;
  let away: FakeAgent;
  let gateway: RunningGateway;
  let elsewhere: RunningGateway;
  before(async () => {
    federation = await testFederation();
    federator = await startFakeFederator();
    [home, away] = await Promise.all([startFakeAgent("eu-west"), startFakeAgent("us-east")]);
    for (const zone of ["eu-west", "us-east"])
      await federation.publish("federator", zone, federator.url);
    await federation.publish("agent", "eu-west", home.url);
    await federation.publish("agent", "us-east", away.url);
    const functions = [{ name: "echo" }, { name: "open", httpAuth: "public" as const }];
    const operator = { kind: "key" as const, keyHash: hashApiKey(OPERATOR_KEY), tenant: null };
    federator.sendTable(
      [...tableEntries({ functions }), { ...operator, roles: ["operator" as const] }],
      7,
    );
    federator.grantAll();
    gateway = await federation.startGateway();
    elsewhere = await federation.startGateway({
      zone: "us-east",
      stateDirectory: `${federation.directory}/us-east`,
    });
    for (const one of [gateway, elsewhere])
      await eventually(async () => (await fetch(`${one.publicUrl}/readyz`)).status === 200);
  });
  after(async () => {
    await Promise.all([gateway.stop(), elsewhere.stop()]);
    await Promise.all([home.close(), away.close(), federator.close()]);
    await federation.remove();
  });

  const ask = (path: string, key: string): Promise<Response> =>
    fetch(`${gateway.publicUrl}${path}`, { headers: { authorization: `Bearer ${key}` } });
  const newest = (agent: FakeAgent) => agent.calls.at(-1)?.headers ?? {};

  describe("the trace", () => {
    test("of the caller goes on with a span of the gateway's own, and is not told back", async () => {
      const headers = { traceparent: PARENT, tracestate: "a=1, b=2" };
      const answer = await invoke(gateway, "echo", { headers });
      assert.match(
        String(newest(home)["traceparent"]),
        new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`),
      );
      assert.notEqual(newest(home)["traceparent"], PARENT);
      assert.equal(newest(home)["tracestate"], "a=1,b=2");
      assert.equal(answer.headers.get("traceparent"), null);
      assert.notEqual(answer.headers.get("x-request-id"), null);
    });

    test("begins where the caller has none, or none that can be read", async () => {
      for (const given of [{}, { traceparent: `${PARENT}-more`, tracestate: "a=1" }]) {
        await invoke(gateway, "echo", { headers: { ...given } });
        const { traceparent, tracestate } = newest(home);
        assert.match(String(traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
        assert.ok(!String(traceparent).includes(TRACE));
        assert.equal(tracestate, undefined);
      }
    });

    test("begins anew where two parents are claimed", async () => {
      const twice = new Headers({ authorization: `Bearer ${DEMO_KEY}`, traceparent: PARENT });
      twice.append("traceparent", PARENT);
      const url = `${gateway.publicUrl}/v1/tenants/demo/functions/echo:invoke`;
      await fetch(url, { method: "POST", headers: twice, body: "{}" });
      assert.ok(!String(newest(home)["traceparent"]).includes(TRACE));
    });

    test("goes on to the management API too", async () => {
      const headers = { authorization: `Bearer ${OPERATOR_KEY}`, traceparent: PARENT };
      await fetch(`${gateway.publicUrl}/v1/status`, { headers });
      const passed = String(federator.passed.at(-1)?.request.headers["traceparent"]);
      assert.ok(passed.startsWith(`00-${TRACE}-`) && passed !== PARENT, passed);
    });

    test("is what a function's HTTP request carries", async () => {
      await fetch(`${gateway.publicUrl}/fn/demo/open/`, { headers: { traceparent: PARENT } });
      const request: unknown = JSON.parse(
        decodeURIComponent(String(newest(home)["meridian-http-request"])),
      );
      assert.ok(typeof request === "object" && request !== null && "headers" in request);
      assert.equal(
        Object.entries(request.headers ?? {}).find(([name]) => name === "traceparent")?.[1],
        newest(home)["traceparent"],
      );
    });
  });

  describe("the routing receipt", () => {
    const receiptOf = (answer: Response): RoutingReceipt =>
      Value.Parse(RoutingReceipt, JSON.parse(answer.headers.get("meridian-receipt") ?? "null"));
    const asking = { "meridian-receipt": "1" };

    test("comes only to who asks for it", async () => {
      const answer = await invoke(gateway, "echo");
      assert.equal(answer.headers.get("meridian-receipt"), null);
    });

    test("tells the cluster, the table and the cold start", async () => {
      const answer = await invoke(gateway, "echo", { headers: { ...asking, traceparent: PARENT } });
      const { attempts, table, ...receipt } = receiptOf(answer);
      assert.deepEqual(receipt, {
        gateway: "eu-west",
        cluster: "eu-west-1",
        version: 1,
        coldStart: true,
        traceId: TRACE,
      });
      assert.deepEqual(
        attempts.map(({ cluster, failure }) => [cluster, failure]),
        [["eu-west-1", undefined]],
      );
      assert.equal(table.revision, 7);
    });

    test("tells why each attempt before failed, to callers with a key", async (t) => {
      home.behaviour = "refuse";
      t.after(() => (home.behaviour = "answer"));
      const withKey = receiptOf(await invoke(gateway, "echo", { headers: asking }));
      assert.deepEqual(
        withKey.attempts.map(({ cluster, failure, reason }) => [cluster, failure, reason]),
        [
          ["eu-west-1", "refused", "the agent answered 503 MERIDIAN_OVERLOADED"],
          ["us-east-1", undefined, undefined],
        ],
      );
      const stranger = await fetch(`${gateway.publicUrl}/fn/demo/open/`, { headers: asking });
      assert.deepEqual(
        receiptOf(stranger).attempts.map(({ failure, reason }) => [failure, reason]),
        [
          ["refused", undefined],
          [undefined, undefined],
        ],
      );
    });
  });

  describe("the state", () => {
    test("is told to operators, by the gateway itself and by any other", async () => {
      for (const zone of ["eu-west", "us-east"]) {
        const path = `/v1/gateways/${zone}/state`;
        // Found within 200 ms of its start, as every program is; its first pings take about as long.
        await eventually(async () =>
          /"good".*"good"/.test(await (await ask(path, OPERATOR_KEY)).text()),
        );
        const state = Value.Parse(GatewayState, await (await ask(path, OPERATOR_KEY)).json());
        assert.equal(state.zone, zone);
        assert.equal(state.table.position?.revision, 7);
        assert.equal(state.notReady, null);
        assert.deepEqual(
          state.clusters.map(({ clusterId, pings, link }) => [clusterId, pings.view, link]),
          [
            ["eu-west-1", "good", "plain-http"],
            ["us-east-1", "good", "plain-http"],
            ["ap-south-1", "absent", "none"],
          ],
        );
        assert.equal(state.tenants.find(({ tenant }) => tenant === "demo")?.floorMillionths, 1e6);
      }
    });

    test("counts what became of requests", async () => {
      const read = async (): Promise<GatewayState> =>
        Value.Parse(
          GatewayState,
          await (await ask("/v1/gateways/eu-west/state", OPERATOR_KEY)).json(),
        );
      const before = await read();
      await invoke(gateway, "echo");
      await eventually(async () => {
        const { counts } = await read();
        return (counts.outcomes["success"] ?? 0) > (before.counts.outcomes["success"] ?? 0);
      });
      assert.ok((await read()).retryBudget.requests > 0);
    });

    const refused: readonly (readonly [string, string, string, number])[] = [
      ["a tenant", "/v1/gateways/eu-west/state", DEMO_KEY, 403],
      ["a reader", "/v1/gateways/us-east/state", READER_KEY, 403],
      ["a stranger", "/v1/gateways/eu-west/state", "mk_wrong", 401],
      ["an operator who names no zone of ours", "/v1/gateways/mars/state", OPERATOR_KEY, 404],
      ["an operator who names no name", "/v1/gateways/a%20b/state", OPERATOR_KEY, 404],
      [
        "an operator, of a gateway that does not run",
        "/v1/gateways/ap-south/state",
        OPERATOR_KEY,
        503,
      ],
    ];
    for (const [who, path, key, status] of refused)
      test(`is not told to ${who}: ${status}`, async () => {
        const answer = await ask(path, key);
        assert.equal(answer.status, status);
        assert.equal(answer.headers.get("content-type"), "application/problem+json");
      });
  });

  test("every metric has a help, a unit and the name that Prometheus asks for", async () => {
    await invoke(gateway, "echo");
    const families = readMetrics(await (await fetch(`${gateway.admin.url}/metrics`)).text());
    const own = [...families.values()].filter(({ name }) => name.startsWith("meridian_gateway_"));
    assert.ok(own.length > 20, `${own.length} families`);
    for (const { name, type, lines } of own) {
      if (type === "counter") assert.match(name, /_total$/);
      else assert.doesNotMatch(name, /_(?:total|count|sum|bucket)$/);
      if (type === "histogram") assert.match(name, /_seconds$/);
      assert.doesNotMatch(name, /milliseconds|_ms(?:_|$)/);
      for (const { labels } of lines) assert.equal(labels["zone"], "eu-west", name);
    }
  });
});
