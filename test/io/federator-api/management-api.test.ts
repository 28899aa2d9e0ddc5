import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import { assertProblem, call, startZones, type TestFederation, type TestZone } from "./zones.ts";

let federation: TestFederation;
let eu: TestZone;
let us: TestZone;
before(async () => {
  federation = await startZones(["eu-west", "us-east"]);
  const [first, second] = federation.zones;
  assert.ok(first !== undefined && second !== undefined);
  [eu, us] = [first, second];
});
after(() => federation.stop());

test("a quota request lives from asking to enforcement, and every refusal on the way stands in the audit", async () => {
  const { demo, operator, acme } = federation.keys;
  const asking = { quotaCode: "requests-per-second", desiredValue: 500, reason: "launch" };
  const asked = await call(eu, demo, "POST", "/v1/tenants/demo/quota-requests", asking);
  assert.equal(asked.status, 201, JSON.stringify(asked.body));
  const path = `/v1/quota-requests/${String(asked.body.id)}`;
  assertProblem(
    await call(us, demo, "POST", "/v1/tenants/demo/quota-requests", asking),
    409,
    "MERIDIAN_CONFLICT",
  );
  assertProblem(await call(us, demo, "POST", `${path}:approve`, {}), 403, "MERIDIAN_FORBIDDEN");
  assertProblem(await call(us, acme, "POST", `${path}:approve`, {}), 404, "MERIDIAN_NOT_FOUND");
  const powerless = await federation.newKey(null, ["operator"]);
  assert.equal((await call(eu, demo, "GET", path)).status, 200);
  assertProblem(
    await call(us, powerless, "POST", `${path}:approve`, {}),
    403,
    "MERIDIAN_FORBIDDEN",
  );

  const decisions = await Promise.all([
    call(eu, operator, "POST", `${path}:approve`, { reason: "fine" }),
    call(us, operator, "POST", `${path}:approve`),
    call(us, operator, "POST", `${path}:deny`, {}),
  ]);
  assert.deepEqual(
    decisions.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 409, 409],
  );
  const final = await call(eu, demo, "GET", path);
  const { items } = (await call(eu, demo, "GET", "/v1/tenants/demo/quotas")).body as {
    items: { quotaCode: string; value: number; zoneSharePercent: Record<string, number> }[];
  };
  assert.equal(items[0]?.value, final.body.state === "APPROVED" ? 500 : 1_000);
  assert.equal(Object.keys(items[0]?.zoneSharePercent ?? {}).length, 3);
  assertProblem(await call(eu, operator, "POST", `${path}:deny`, {}), 409, "MERIDIAN_CONFLICT");

  const own = await federation.newKey(null, ["operator", "approver"]);
  const more = { quotaCode: "burst", desiredValue: 20, reason: "for them" };
  const theirs = await call(eu, own, "POST", "/v1/tenants/demo/quota-requests", more);
  const ownPath = `/v1/quota-requests/${String(theirs.body.id)}`;
  assertProblem(await call(eu, own, "POST", `${ownPath}:approve`, {}), 403, "MERIDIAN_FORBIDDEN");
  assert.equal((await call(eu, demo, "POST", `${ownPath}:cancel`, {})).status, 200);

  const audit = (await call(eu, operator, "GET", "/v1/audit?limit=100")).body as {
    items: { zone: string; outcome: string; change: ChangeRecord }[];
  };
  const seen = audit.items.map(
    ({ zone, outcome, change }) => `${zone} ${outcome} ${change.action}`,
  );
  for (const line of [
    "eu-west done quota-requests.create",
    "us-east refused quota-requests.create",
    "us-east refused quota-requests.decide",
    "eu-west done quota-requests.cancel",
  ])
    assert.ok(seen.includes(line), `${line} in ${seen.join(", ")}`);
  const foreign = (await call(eu, acme, "GET", "/v1/audit")).body as typeof audit;
  assert.ok(foreign.items.length > 0);
  assert.ok(foreign.items.every(({ change }) => change.tenant === "acme"));
});

test("an operator makes a tenant whose key works in every zone at once; a second of the name is refused", async () => {
  const { operator, demo } = federation.keys;
  const made = await call(eu, operator, "POST", "/v1/tenants", { name: "newcomer" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const who = await call(eu, String(made.body.apiKey), "GET", "/v1/whoami");
  assert.equal(who.body.tenant, "newcomer");
  assertProblem(
    await call(eu, operator, "POST", "/v1/tenants", { name: "newcomer" }),
    409,
    "MERIDIAN_CONFLICT",
  );
  assertProblem(
    await call(eu, demo, "POST", "/v1/tenants", { name: "x" }),
    403,
    "MERIDIAN_FORBIDDEN",
  );
  const page = await call(eu, operator, "GET", "/v1/tenants?limit=2");
  assert.equal(page.body.next, "demo");
  const rest = await call(eu, operator, "GET", "/v1/tenants?limit=2&cursor=demo");
  assert.deepEqual(
    (rest.body.items as { name: string }[]).map(({ name }) => name),
    ["newcomer"],
  );
});

test("a status names the zones that did not answer, and shows a tenant only its own instances", async () => {
  const { operator, demo } = federation.keys;
  const all = await call(eu, operator, "GET", "/v1/status");
  assert.deepEqual(all.body.silentZones, ["ap-south"]);
  assert.equal(all.body.catalog, "reachable");
  assert.ok(JSON.stringify(all.body).includes('"acme"'));
  const own = await call(us, demo, "GET", "/v1/status");
  assert.ok(!JSON.stringify(own.body).includes('"acme"'));
});

test("unknown paths and methods, broken JSON and foreign queries each get their own problem", async () => {
  const { demo } = federation.keys;
  assertProblem(await call(eu, demo, "GET", "/v1/no-such-thing"), 404, "MERIDIAN_NOT_FOUND");
  const method = await call(eu, demo, "PATCH", "/v1/tenants/demo/functions/hello");
  assertProblem(method, 405, "MERIDIAN_METHOD_NOT_ALLOWED");
  assert.equal(method.headers.get("allow"), "GET, DELETE, PUT");
  const path = "/v1/tenants/demo/quota-requests";
  const broken = await fetch(eu.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${demo}`, "content-type": "application/json" },
    body: '{"quotaCode":',
  });
  assert.equal(((await broken.json()) as { code: string }).code, "MERIDIAN_BODY_INVALID_JSON");
  for (const [forbidden, name] of [
    ['{"a":[{"__proto__":{}}]}', /__proto__/],
    ['{"constructor":{"prototype":{}}}', /constructor\.prototype/],
  ] as const) {
    const poisoned = await fetch(eu.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${demo}`, "content-type": "application/json" },
      body: forbidden,
    });
    const told = (await poisoned.json()) as { code: string; detail: string };
    assert.equal(told.code, "MERIDIAN_BAD_REQUEST");
    assert.match(told.detail, name);
  }
  assertProblem(await call(eu, demo, "GET", "/v1/tenants/%zz"), 400, "MERIDIAN_BAD_REQUEST");
  for (const length of [101, 2_000]) {
    const long = await call(eu, demo, "GET", `/v1/tenants/demo/functions/${"x".repeat(length)}`);
    assertProblem(long, 400, "MERIDIAN_BAD_REQUEST");
  }
  for (const length of [20_000, ...Array.from({ length: 20 }, () => 1_000_000)]) {
    const large = await call(eu, demo, "POST", path, { reason: "x".repeat(length) });
    assertProblem(large, 413, "MERIDIAN_BODY_TOO_LARGE");
  }
  for (const query of ["limit=0", "limit=1e3", "limit=2.5", "limit=true", "unknown=1"])
    assertProblem(await call(eu, demo, "GET", `/v1/audit?${query}`), 400, "MERIDIAN_BAD_REQUEST");
});

test("the OpenAPI document lists every public path and no internal one", async () => {
  const { body } = await call(eu, null, "GET", "/openapi.json");
  assert.equal(body.openapi, "3.1.0");
  const paths = Object.keys(body.paths as object);
  assert.ok(paths.includes("/v1/quota-requests/{id}:approve"), paths.join(" "));
  assert.ok(paths.includes("/v1/tenants/{tenant}/functions/{functionName}/versions"));
  assert.ok(paths.every((path) => path.startsWith("/v1/")));
});

test("without a catalog writes fail as unavailable, and what is known is still read", async () => {
  const lonely = await startZones(["eu-west"]);
  const [zone] = lonely.zones;
  assert.ok(zone !== undefined);
  await lonely.catalog.close();
  const { demo } = lonely.keys;
  const body = { quotaCode: "burst", desiredValue: 20, reason: "r" };
  assertProblem(
    await call(zone, demo, "POST", "/v1/tenants/demo/quota-requests", body),
    503,
    "MERIDIAN_CATALOG_UNAVAILABLE",
  );
  assert.equal((await call(zone, demo, "GET", "/v1/tenants/demo/quotas")).status, 200);
  assert.equal((await call(zone, demo, "GET", "/v1/audit")).status, 200);
  await lonely.stop();
});
