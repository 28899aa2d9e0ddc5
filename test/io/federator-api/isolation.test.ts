import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { digestOf, zipOf } from "./archives.ts";
import {
  assertProblem,
  call,
  receiptOf,
  startZones,
  type TestFederation,
  type TestZone,
} from "./zones.ts";

const archive = zipOf([{ name: "index.js", content: "exports.handler = () => 1;" }]);
const codeDigest = digestOf(archive);
let federation: TestFederation;
let zone: TestZone;
let requestId: string;
before(async () => {
  federation = await startZones(["eu-west", "us-east"]);
  const [first] = federation.zones;
  assert.ok(first !== undefined);
  zone = first;
  const { demo } = federation.keys;
  await call(zone, demo, "PUT", `/v1/tenants/demo/code/${codeDigest}`, archive);
  const deployed = await call(zone, demo, "POST", "/v1/tenants/demo/functions/secret/versions", {
    codeDigest,
    codeReceipt: receiptOf(codeDigest),
    manifest: { name: "secret", environment: { TOKEN: "do-not-show" } },
  });
  assert.equal(deployed.status, 201, JSON.stringify(deployed.body));
  const asked = await call(zone, demo, "POST", "/v1/tenants/demo/quota-requests", {
    quotaCode: "burst",
    desiredValue: 20,
    reason: "do-not-show",
  });
  requestId = String(asked.body.id);
});
after(() => federation.stop());

interface Route {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}
const tenantRoutes: readonly Route[] = [
  { method: "POST", path: "/v1/tenants/TENANT:suspend", body: {} },
  { method: "POST", path: "/v1/tenants/TENANT:resume", body: {} },
  { method: "POST", path: "/v1/tenants/TENANT:home", body: { homeRegion: null } },
  { method: "GET", path: "/v1/tenants/TENANT/keys" },
  { method: "POST", path: "/v1/tenants/TENANT/keys", body: {} },
  { method: "DELETE", path: `/v1/tenants/TENANT/keys/${"0".repeat(16)}` },
  { method: "PUT", path: `/v1/tenants/TENANT/code/${codeDigest}`, body: archive },
  { method: "GET", path: "/v1/tenants/TENANT/functions" },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret" },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/versions" },
  {
    method: "POST",
    path: "/v1/tenants/TENANT/functions/secret/versions",
    body: { codeDigest, manifest: { name: "secret" } },
  },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/aliases/live" },
  { method: "PUT", path: "/v1/tenants/TENANT/functions/secret/aliases/live", body: { version: 1 } },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/logs" },
  {
    method: "PUT",
    path: "/v1/tenants/TENANT/functions/secret",
    body: { codeDigest, manifest: { name: "secret" } },
  },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/versions/1" },
  { method: "DELETE", path: "/v1/tenants/TENANT/functions/secret/versions/1" },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/placement" },
  {
    method: "PUT",
    path: "/v1/tenants/TENANT/functions/secret/placement",
    body: { regions: ["eu"] },
  },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/aliases" },
  { method: "DELETE", path: "/v1/tenants/TENANT/functions/secret/aliases/live" },
  { method: "GET", path: "/v1/tenants/TENANT/functions/secret/rollouts" },
  {
    method: "POST",
    path: "/v1/tenants/TENANT/functions/secret/aliases/live:rollout",
    body: { version: 1 },
  },
  {
    method: "POST",
    path: "/v1/tenants/TENANT/functions/secret/aliases/live:cancel-rollout",
    body: {},
  },
  { method: "GET", path: "/v1/tenants/TENANT/secrets" },
  { method: "GET", path: "/v1/tenants/TENANT/secrets/db-password" },
  {
    method: "PUT",
    path: "/v1/tenants/TENANT/secrets/db-password",
    body: { value: "do-not-show" },
  },
  { method: "DELETE", path: "/v1/tenants/TENANT/secrets/db-password" },
  { method: "DELETE", path: "/v1/tenants/TENANT/functions/secret" },
  { method: "GET", path: "/v1/tenants/TENANT/quotas" },
  { method: "GET", path: "/v1/tenants/TENANT/quota-requests" },
  {
    method: "POST",
    path: "/v1/tenants/TENANT/quota-requests",
    body: { quotaCode: "burst", desiredValue: 30, reason: "r" },
  },
];
const requestRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/quota-requests/ID" },
  { method: "POST", path: "/v1/quota-requests/ID:approve", body: {} },
  { method: "POST", path: "/v1/quota-requests/ID:deny", body: {} },
  { method: "POST", path: "/v1/quota-requests/ID:cancel", body: {} },
];
const otherRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/whoami" },
  { method: "GET", path: "/v1/tenants" },
  { method: "POST", path: "/v1/tenants", body: { name: "x" } },
  { method: "GET", path: "/v1/quota-requests" },
  { method: "GET", path: "/v1/clusters" },
  { method: "GET", path: "/v1/clusters/eu-west-1" },
  { method: "GET", path: "/v1/status" },
  { method: "GET", path: "/v1/audit" },
  { method: "GET", path: "/v1/usage" },
];
const operatorRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/isolation" },
  { method: "GET", path: "/v1/shifts" },
  {
    method: "POST",
    path: "/v1/shifts",
    body: { fromCluster: "eu-west-1", percent: 1, minutes: 1, reason: "r" },
  },
  { method: "DELETE", path: "/v1/shifts/sh-0000000000" },
  ...["drain", "undrain", "quarantine", "release"].map((change) => ({
    method: "POST",
    path: `/v1/clusters/eu-west-1:${change}`,
    body: {},
  })),
];

test("every path of the API is in the tables below, so that a new one cannot be forgotten", async () => {
  const { body } = await call(zone, null, "GET", "/openapi.json");
  const tables = [...tenantRoutes, ...requestRoutes, ...otherRoutes, ...operatorRoutes];
  for (const [path, methods] of Object.entries(body.paths as Record<string, object>)) {
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/:]+(?::[0-9a-f]+)?")}$`);
    for (const method of Object.keys(methods)) {
      const isTested = tables.some(
        (route) => route.method === method.toUpperCase() && pattern.test(route.path),
      );
      assert.ok(isTested, `${method} ${path}`);
    }
  }
});

for (const { method, path, body } of operatorRoutes)
  test(`${method} ${path}: is for operators`, async () => {
    const { demo } = federation.keys;
    const answer = await call(zone, demo, method, path, body);
    assert.deepEqual([answer.status, answer.body.code], [403, "MERIDIAN_FORBIDDEN"]);
  });

for (const { method, path, body } of tenantRoutes)
  test(`${method} ${path}: another tenant's key and an unknown tenant get the same 404`, async () => {
    const { acme } = federation.keys;
    const foreign = await call(zone, acme, method, path.replace("TENANT", "demo"), body);
    const unknown = await call(zone, acme, method, path.replace("TENANT", "nobody"), body);
    assert.equal(foreign.status, 404, JSON.stringify(foreign.body));
    assertSameBut(foreign.body, unknown.body, "demo", "nobody");
    const byOperator = path.replace("TENANT", "nobody");
    assert.equal(
      (await call(zone, federation.keys.operator, method, byOperator, body)).status,
      404,
    );
  });

for (const { method, path, body } of requestRoutes)
  test(`${method} ${path}: another tenant's key gets the 404 of a request that is not there`, async () => {
    const { acme } = federation.keys;
    const foreign = await call(zone, acme, method, path.replace("ID", requestId), body);
    const unknown = await call(zone, acme, method, path.replace("ID", "qr-00000000"), body);
    assert.equal(foreign.status, 404, JSON.stringify(foreign.body));
    assertSameBut(foreign.body, unknown.body, requestId, "qr-00000000");
  });

for (const { method, path, body } of [
  ...tenantRoutes,
  ...requestRoutes,
  ...otherRoutes,
  ...operatorRoutes,
])
  test(`${method} ${path}: without a good key it is 401, whatever is sent`, async () => {
    const there = path.replace("TENANT", "demo").replace("ID", requestId);
    for (const key of [null, "mk_demo_wrong", "x".repeat(10_000)]) {
      const answer = await call(zone, key, method, there, body);
      assert.equal(answer.status, 401, JSON.stringify(answer.body));
      assert.equal(answer.body.code, "MERIDIAN_UNAUTHENTICATED");
      assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
    }
  });

const lists = otherRoutes.filter(({ method }) => method === "GET");
const ofDemo = ["audit", "usage"].map((list) => ({ path: `/v1/${list}?tenant=demo` }));
for (const { path } of [...lists, ...ofDemo])
  test(`GET ${path}: another tenant sees nothing of it`, async () => {
    const answer = await call(zone, federation.keys.acme, "GET", path);
    const items = Array.isArray(answer.body.items) ? answer.body.items : [answer.body];
    // What it tried itself, it may see.
    const foreign = JSON.stringify(items.filter((item) => item.outcome !== "refused"));
    assert.ok(!/do-not-show|secret|"demo"/.test(foreign), foreign);
    assert.ok(!foreign.includes(requestId), foreign);
  });

test("after all these attempts the owner's things are as they were", async () => {
  const { demo } = federation.keys;
  const seen = await call(zone, demo, "GET", "/v1/tenants/demo/functions/secret");
  assert.deepEqual([seen.body.latestVersion, seen.body.aliases], [1, { live: 1 }]);
  const request = await call(zone, demo, "GET", `/v1/quota-requests/${requestId}`);
  assert.equal(request.body.state, "PENDING");
});

function assertSameBut(
  one: Record<string, unknown>,
  other: Record<string, unknown>,
  ownName: string,
  otherName: string,
): void {
  assert.equal(textOf(one, ownName), textOf(other, otherName));
}

const textOf = (body: Record<string, unknown>, name: string): string =>
  JSON.stringify({ ...body, requestId: "" }).replaceAll(name, "NAME");

test("who knows the digest of another tenant's archive cannot deploy it, nor learn that it is there", async () => {
  const { acme, demo } = federation.keys;
  const deploy = (key: string, tenant: string, codeReceipt: string | undefined) =>
    call(zone, key, "POST", `/v1/tenants/${tenant}/functions/taken/versions`, {
      codeDigest,
      ...(codeReceipt === undefined ? {} : { codeReceipt }),
      manifest: { name: "taken" },
    });
  for (const receipt of [undefined, "", "x".repeat(43), receiptOf(codeDigest, "demo")]) {
    const answer = await deploy(acme, "acme", receipt);
    assertProblem(answer, 404, "MERIDIAN_CODE_NOT_FOUND");
  }
  assert.equal((await deploy(acme, "acme", receiptOf(codeDigest, "acme"))).status, 201);
  // The code of the version it follows needs no upload again.
  assert.equal((await deploy(acme, "acme", undefined)).status, 201);
  assertProblem(await deploy(demo, "demo", undefined), 404, "MERIDIAN_CODE_NOT_FOUND");
});
