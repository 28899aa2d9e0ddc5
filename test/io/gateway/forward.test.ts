import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import type { FakeFederator } from "./fake-federator.ts";
import {
  BOOT_TOKEN,
  eventually,
  federatorWith,
  invoke,
  OTHER_KEY,
  READER_KEY,
  type TestFederation,
  testFederation,
  totalCalls,
} from "./run-gateway.ts";

const FUNCTIONS = [
  { name: "once" },
  { name: "again", idempotent: true },
  { name: "slow", timeoutMs: 1 },
  { name: "eu-only", regions: ["eu"], idempotent: true },
  { name: "nowhere", regions: ["ch"] },
  { name: "open", httpAuth: "public" as const },
];

describe("a gateway between real sockets", { timeout: 60_000 }, () => {
  let federation: TestFederation;
  let federator: FakeFederator;
  let gateway: RunningGateway;
  let agents: FakeAgent[] = [];
  const agent = (index: number): FakeAgent => {
    const one = agents[index];
    assert.ok(one !== undefined);
    return one;
  };

  before(async () => {
    federation = await testFederation();
    federator = await federatorWith(federation, FUNCTIONS);
    gateway = await federation.startGateway();
  });
  after(async () => {
    await gateway.stop();
    await federator.close();
    await Promise.all(agents.map((one) => one.close()));
    await federation.remove();
  });
  beforeEach(async () => {
    for (const [index, { name }] of threeZones.entries()) {
      const before = agents[index];
      if (before?.isClosed === false) {
        Object.assign(before, { behaviour: "answer", abandoned: 0 });
        continue;
      }
      const fresh = await startFakeAgent(name);
      agents[index] = fresh;
      await federation.publish("agent", name, fresh.url);
      await eventually(() => fresh.pings >= 2);
    }
    await eventually(async () => {
      const metrics = await fetch(`${gateway.admin.url}/metrics`).then((page) => page.text());
      const avoided = [...metrics.matchAll(/^meridian_gateway_cluster_avoided\{.*\} (\d)$/gm)];
      return avoided.length === 3 && avoided.every(([, flag]) => flag === "0");
    });
    for (const one of agents) one.calls.length = 0;
  });

  test("the nearest cluster answers, and every answer says where it comes from", async () => {
    const answer = await invoke(gateway, "once", { headers: { "x-request-id": "my-id" } });
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "hello from eu-west");
    const { headers } = answer;
    assert.equal(headers.get("x-request-id"), "my-id");
    assert.equal(headers.get("meridian-zone"), "eu-west");
    assert.equal(headers.get("meridian-cluster"), "eu-west-1");
    assert.equal(headers.get("meridian-version"), "1");
    assert.equal(headers.get("meridian-attempts"), "1");
    assert.equal(headers.get("meridian-cold-start"), "true");
    assert.equal(headers.get("meridian-executed"), null);
    assert.deepEqual(headers.getSetCookie(), ["a=1", "b=2"]);
    const [call] = agent(0).calls;
    assert.equal(call?.headers["meridian-boot-token"], BOOT_TOKEN);
    assert.equal(call?.headers["meridian-tenant"], "demo");
    assert.equal(call?.headers["meridian-function"], "once");
    assert.equal(call?.headers["meridian-door"], "invoke");
    assert.equal(call?.headers["meridian-table-revision"], "1");
    assert.ok(Number(call?.headers["meridian-deadline-ms"]) > 12_000);
    assert.equal(call?.headers["content-type"], "application/json");
    assert.equal(call?.body, "{}");
  });

  test("the caller's region decides, named, by the edge, or by its address", async () => {
    const zoneFor = async (headers: Record<string, string>) =>
      (await invoke(gateway, "once", { headers })).headers.get("meridian-zone");
    assert.equal(await zoneFor({ "meridian-region": "ap-south" }), "ap-south");
    assert.equal(await zoneFor({ "cf-ipcountry": "US" }), "us-east");
    assert.equal(await zoneFor({ "x-forwarded-for": "49.205.1.1" }), "ap-south");
    assert.equal(await zoneFor({ "x-forwarded-for": "49.205.1.1, 8.8.8.8" }), "us-east");
    const unknown = await invoke(gateway, "once", { headers: { "meridian-region": "mars" } });
    assert.equal(unknown.status, 400);
    assert.equal((await problem(unknown)).code, "MERIDIAN_REGION_UNKNOWN");
  });

  test("an answer in pieces is passed on in pieces", async () => {
    agent(0).behaviour = "stream";
    const answer = await invoke(gateway, "once");
    assert.equal(await answer.text(), "piece 0;piece 1;piece 2;piece 3;piece 4;");
  });

  test("a function's own error is its answer, and is never repeated", async () => {
    agent(0).behaviour = "function-error";
    const answer = await invoke(gateway, "again");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("meridian-function-error"), "Unhandled");
    assert.equal(totalCalls(agents), 1);
  });

  test("a call whose instance was lost is answered so, and not repeated", async () => {
    agent(0).behaviour = "platform-failure";
    const answer = await invoke(gateway, "once");
    assert.equal(answer.status, 502);
    assert.equal((await problem(answer)).code, "MERIDIAN_INSTANCE_LOST");
    assert.equal(totalCalls(agents), 1);
  });

  test("an idempotent one is repeated elsewhere, and on the same cluster when it is the only one", async () => {
    agent(0).behaviour = "platform-failure";
    const elsewhere = await invoke(gateway, "again");
    assert.equal(await elsewhere.text(), "hello from us-east");
    assert.deepEqual(callCounts(), [1, 1, 0]);

    const lost = await invoke(gateway, "eu-only");
    assert.equal((await problem(lost)).code, "MERIDIAN_INSTANCE_LOST");
    assert.equal(lost.headers.get("meridian-attempts"), "3");
    assert.deepEqual(callCounts(), [4, 1, 0]);
  });

  test("a call that its only cluster refuses is tried there again", async () => {
    agent(0).behaviour = "refuse";
    const answering = invoke(gateway, "eu-only");
    await eventually(() => agent(0).calls.length === 1);
    agent(0).behaviour = "answer";
    const answer = await answering;
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("meridian-attempts"), "2");
    assert.deepEqual(callCounts(), [2, 0, 0]);
  });

  test("a refused call goes elsewhere, idempotent or not", async () => {
    agent(0).behaviour = "refuse";
    const answer = await invoke(gateway, "once");
    assert.equal(await answer.text(), "hello from us-east");
    assert.equal(answer.headers.get("meridian-attempts"), "2");
    assert.deepEqual(callCounts(), [1, 1, 0]);
    assert.equal(agent(1).calls[0]?.headers["meridian-attempt"], "2");
  });

  test("a call that everyone refuses is answered in the last one's words", async () => {
    for (const one of agents) one.behaviour = "refuse";
    const answer = await invoke(gateway, "once");
    assert.equal(answer.status, 503);
    assert.equal((await problem(answer)).code, "MERIDIAN_OVERLOADED");
    assert.equal(answer.headers.get("meridian-attempts"), "3");
    assert.deepEqual(callCounts(), [1, 1, 1]);
  });

  test("a refusal that is the caller's fault is the same everywhere and not repeated", async () => {
    agent(0).behaviour = "refuse-as-callers-fault";
    const answer = await invoke(gateway, "again");
    assert.equal(answer.status, 400);
    assert.deepEqual(callCounts(), [1, 0, 0]);
  });

  for (const behaviour of ["reset", "garbage"] as const) {
    test(`${behaviour}: a call that may have run is never sent twice`, async () => {
      agent(0).behaviour = behaviour;
      const answer = await invoke(gateway, "once");
      assert.equal(answer.status, 502);
      const { code, detail } = await problem(answer);
      assert.equal(code, "MERIDIAN_CONNECTION_LOST");
      assert.match(String(detail), /may have run/);
      assert.equal(answer.headers.get("meridian-cluster"), "eu-west-1");
      assert.equal(answer.headers.get("meridian-attempts"), "1");
      assert.deepEqual(callCounts(), [1, 0, 0]);
    });

    test(`${behaviour}: an idempotent call is tried elsewhere, once`, async () => {
      agent(0).behaviour = behaviour;
      const answer = await invoke(gateway, "again");
      assert.equal(await answer.text(), "hello from us-east");
      assert.deepEqual(callCounts(), [1, 1, 0]);
    });
  }

  test("a reset on a connection that was used before counts as maybe executed too", async () => {
    await invoke(gateway, "once").then((answer) => answer.text());
    agent(0).behaviour = "reset";
    assert.equal((await invoke(gateway, "once")).status, 502);
    assert.deepEqual(callCounts(), [2, 0, 0]);
  });

  for (const behaviour of ["reset-in-body", "promise-too-much"] as const)
    test(`${behaviour}: once answered, a call is not repeated; the caller sees that it broke off`, async () => {
      agent(0).behaviour = behaviour;
      const answer = await invoke(gateway, "again");
      assert.equal(answer.status, 200);
      await assert.rejects(answer.text());
      assert.equal(totalCalls(agents), 1);
    });

  test("a cluster whose port nobody listens on costs no call, and is avoided at once", async () => {
    await agent(0).close();
    const answer = await invoke(gateway, "once");
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "hello from us-east");
    const next = await invoke(gateway, "once");
    assert.equal(next.headers.get("meridian-attempts"), "1");
    assert.deepEqual(callCounts(), [0, 2, 0]);
  });

  test("a frozen cluster: idempotent calls leave it when its pings fail, new calls avoid it", async () => {
    agent(0).behaviour = "freeze";
    const answer = await invoke(gateway, "again");
    assert.equal(await answer.text(), "hello from us-east");
    assert.equal(answer.headers.get("meridian-attempts"), "2");
    const next = await invoke(gateway, "once");
    assert.equal(next.headers.get("meridian-attempts"), "1");
    assert.equal(next.headers.get("meridian-zone"), "us-east");

    agent(0).behaviour = "answer";
    await eventually(
      async () => (await invoke(gateway, "once")).headers.get("meridian-zone") === "eu-west",
    );
  });

  test("a frozen cluster: other calls wait until their time is up", async () => {
    agent(0).behaviour = "freeze";
    const answer = await invoke(gateway, "once", { headers: { "meridian-timeout-ms": "1500" } });
    assert.equal(answer.status, 504);
    const { code, detail } = await problem(answer);
    assert.equal(code, "MERIDIAN_ANSWER_TIMEOUT");
    assert.match(String(detail), /Meridian-Timeout-Ms of 1500 ms/);
    assert.deepEqual(callCounts(), [1, 0, 0]);
  });

  test("residency holds in failover: the permitted cluster is lost, so the call is refused", async () => {
    await agent(0).close();
    await eventually(async () => (await invoke(gateway, "eu-only")).status === 503);
    const answer = await invoke(gateway, "eu-only", { headers: { "meridian-region": "us-east" } });
    assert.equal(answer.status, 503);
    const { code, detail } = await problem(answer);
    assert.equal(code, "MERIDIAN_RESIDENCY_UNAVAILABLE");
    assert.match(String(detail), /eu-west-1/);
    assert.deepEqual(callCounts(), [0, 0, 0]);
  });

  test("a placement without any zone is refused with the reason", async () => {
    const answer = await invoke(gateway, "nowhere");
    assert.equal(answer.status, 503);
    assert.equal((await problem(answer)).code, "MERIDIAN_RESIDENCY_UNAVAILABLE");
  });

  test("a caller that goes away takes its call with it", async () => {
    agent(0).behaviour = "hang";
    const leaving = new AbortController();
    const call = invoke(gateway, "once", { signal: leaving.signal });
    await eventually(() => agent(0).calls.length === 1);
    leaving.abort();
    await assert.rejects(call);
    await eventually(() => agent(0).abandoned === 1);
    assert.equal(totalCalls(agents), 1);
  });

  test("in a storm of resets and refusals no call that may not be repeated arrives twice", async () => {
    const moods = ["answer", "reset", "refuse", "garbage", "answer"] as const;
    const answers: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      for (const [index, one] of agents.entries())
        one.behaviour = moods[(round * 2 + index * 3) % moods.length] ?? "answer";
      const calls = Array.from({ length: 8 }, (_, index) =>
        invoke(gateway, "once", { headers: { "x-request-id": `storm-${round}-${index}` } }),
      );
      for (const answer of await Promise.all(calls)) answers.push(answer.status);
    }
    const arrivals = new Map<string, number>();
    const ran = agents.flatMap(({ calls }) => calls).filter(({ wasRefused }) => !wasRefused);
    for (const { headers } of ran) {
      const id = String(headers["x-request-id"]);
      arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
    }
    assert.ok(arrivals.size > 50, `${arrivals.size} calls arrived`);
    assert.deepEqual(
      [...arrivals].filter(([, count]) => count > 1),
      [],
    );
    assert.ok(answers.every((status) => [200, 502, 503].includes(status)));
    assert.ok(answers.includes(200));
  });

  test("keys: none, unknown, another tenant's, one that may only read", async () => {
    const status = async (key: string, functionName = "once") =>
      (await invoke(gateway, functionName, { key })).status;
    const url = `${gateway.publicUrl}/v1/tenants/demo/functions/once:invoke`;
    const without = await fetch(url, { method: "POST" });
    assert.equal(without.status, 401);
    assert.match(without.headers.get("www-authenticate") ?? "", /^Bearer/);
    assert.match(without.headers.get("content-type") ?? "", /problem\+json/);
    assert.equal(await status("mk_wrong"), 401);
    assert.equal(await status(OTHER_KEY), 404);
    assert.equal(await status(OTHER_KEY, "missing"), 404);
    assert.equal(await status(READER_KEY), 403);
    assert.equal(totalCalls(agents), 0);
  });

  test("the HTTP door passes the request on, and is closed or open as the function says", async () => {
    const closed = await fetch(`${gateway.publicUrl}/fn/demo/once/x`);
    assert.equal(closed.status, 401);
    const open = await fetch(`${gateway.publicUrl}/fn/demo/open/a/b?c=d&region=mars`, {
      method: "PUT",
      headers: { authorization: "Bearer theirs", cookie: "k=v", "x-forwarded-for": "8.8.8.8" },
      body: "body",
    });
    assert.equal(open.status, 200);
    const [call] = agents.flatMap(({ calls }) => calls);
    const parts: unknown = JSON.parse(
      decodeURIComponent(String(call?.headers["meridian-http-request"])),
    );
    const { headers, ...rest } = parts as { headers: Record<string, string> };
    assert.deepEqual(rest, {
      method: "PUT",
      path: "/a/b",
      rawQuery: "c=d&region=mars",
      cookies: ["k=v"],
      sourceIp: "8.8.8.8",
      domainName: new URL(gateway.publicUrl).host,
    });
    assert.equal(headers["authorization"], "Bearer theirs");
    assert.equal(call?.body, "body");
  });

  const callCounts = (): number[] => agents.map(({ calls }) => calls.length);
});

async function problem(answer: Response): Promise<Record<string, unknown>> {
  assert.match(answer.headers.get("content-type") ?? "", /problem\+json/);
  return (await answer.json()) as Record<string, unknown>;
}
