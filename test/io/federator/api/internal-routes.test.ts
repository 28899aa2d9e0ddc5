import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ZoneStatus } from "#lib/contracts/api-status.ts";
import { startFakeGateway } from "../support/fake-gateway.ts";
import { BOOT_TOKEN, startThreeZones, type TestFederation, ZONES } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

let federation: TestFederation;
let url: string;
before(async () => {
  federation = await startThreeZones();
  url = await federation.zone("eu-west").federatorUrl();
  await until("every cluster is seen", federation.allInService);
});
after(() => federation.stop());

const call = async (path: string, init: RequestInit = {}, token = BOOT_TOKEN) => {
  const headers = { "meridian-boot-token": token, "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, { ...init, headers });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
};
const post = (path: string, body: unknown) =>
  call(path, { method: "POST", body: JSON.stringify(body) });

for (const path of [
  "/internal/feed?receiver=x",
  "/internal/zone-status",
  "/v1/whoami",
  "/nothing",
]) {
  test(`${path} is for programs of this federation alone`, async () => {
    for (const token of ["", "another"]) {
      const { status, body } = await call(path, {}, token);
      assert.equal(status, 401);
      assert.equal(body.code, "MERIDIAN_UNAUTHENTICATED");
    }
  });
}

const malformed: readonly { readonly path: string; readonly body: unknown }[] = [
  { path: "/internal/feed/acks", body: { receiver: "x", nonce: "1", position: null } },
  { path: "/internal/feed/acks", body: { receiver: "x", nonce: 1 } },
  { path: "/internal/reports", body: { program: "gateway" } },
  { path: "/internal/observations", body: {} },
  { path: "/internal/wait-applied", body: { revision: 1 } },
];
for (const { path, body } of malformed) {
  test(`${path} refuses ${JSON.stringify(body)}`, async () => {
    const answer = await post(path, body);
    assert.equal(answer.status, 400);
    assert.equal(answer.body.code, "MERIDIAN_BAD_REQUEST");
  });
}

test("what is not JSON is said to be none", async () => {
  const answer = await call("/internal/reports", { method: "POST", body: "{" });
  assert.equal(answer.status, 400);
  assert.equal(answer.body.code, "MERIDIAN_BODY_INVALID_JSON");
});

test("the state of the zone shows its cluster, its replica, its receivers and what runs", async () => {
  const running = {
    tenant: "demo",
    functionName: "hello",
    version: 1,
    starting: 0,
    idle: 1,
    busy: 2,
    queued: 3,
  };
  const reported = await post("/internal/reports", {
    program: "agent",
    clusterId: "eu-west-1",
    instancesMax: 8,
    inFlight: 2,
    functions: [running],
  });
  assert.equal(reported.status, 204);
  const gateway = await startFakeGateway(federation, "eu-west");
  await until("the gateway has acknowledged", async () => {
    const { receivers } = await federation.zone("eu-west").status();
    return receivers[0]?.position != null;
  });
  const status: ZoneStatus = (await call("/internal/zone-status")).body;
  assert.equal(status.zone, "eu-west");
  assert.equal(status.cluster?.state, "up");
  assert.ok(status.position !== null && status.replicaAgeMs !== null);
  assert.deepEqual(status.instances, [running]);
  assert.equal(status.receivers[0]?.receiver, "eu-west.gateway");
  for (const { clusterId } of ZONES)
    assert.ok(gateway.table()?.entries.has(`cluster/${clusterId}`), clusterId);
});

test("waiting for a revision names the gateways that have it and those that have not", async () => {
  const revision = (await federation.catalog.range({ prefix: "", limit: 1 })).kind;
  assert.equal(revision, "page");
  const ready = await post("/internal/wait-applied", { revision: 1, timeoutMs: 2_000 });
  assert.deepEqual(ready.body, { ready: ["eu-west.gateway"], waiting: [] });
  const future = { revision: 1_000_000, timeoutMs: 50 };
  const waiting = await post("/internal/wait-applied", future);
  assert.deepEqual(waiting.body, { ready: [], waiting: ["eu-west.gateway"] });
});

test("a zone without a gateway is waited for and named", async () => {
  url = await federation.zone("us-east").federatorUrl();
  const answer = await post("/internal/wait-applied", { revision: 1, timeoutMs: 50 });
  assert.deepEqual(answer.body, { ready: [], waiting: ["us-east.gateway"] });
});
