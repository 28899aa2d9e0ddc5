import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { holdTransactions } from "./support/hold-transactions.ts";
import { assertProblem, call, startZones, type TestFederation } from "./zones.ts";

let federation: TestFederation;
before(async () => {
  federation = await startZones(["eu-west"]);
});
after(() => federation.stop());

const zone = () => federation.zones[0] ?? assert.fail();
const ask = (key: string, method: string, path: string, body?: unknown) =>
  call(zone(), key, method, path, body);
const KEYS = "/v1/tenants/demo/keys";

test("a key is made, shown once, listed without its text, works, is revoked and works no more", async () => {
  const { demo } = federation.keys;
  const created = await ask(demo, "POST", KEYS, { roles: ["tenant-reader"] });
  assert.equal(created.status, 201);
  const apiKey = String(created.body.apiKey);
  const { id, roles } = created.body.key as { id: string; roles: string[] };
  assert.deepEqual(roles, ["tenant-reader"]);
  assert.equal((await ask(apiKey, "GET", "/v1/whoami")).status, 200);

  const listed = await ask(demo, "GET", KEYS);
  const items = listed.body.items as { id: string }[];
  assert.equal(items.length, 2);
  assert.ok(items.some((one) => one.id === id));
  assert.ok(!JSON.stringify(listed.body).includes(apiKey));

  const revoked = await ask(demo, "DELETE", `${KEYS}/${id}`);
  assert.equal(revoked.status, 200);
  assert.deepEqual(revoked.body, { ready: ["eu-west.gateway"], waiting: [] });
  assert.equal((await ask(apiKey, "GET", "/v1/whoami")).status, 401);
  assertProblem(await ask(demo, "DELETE", `${KEYS}/${id}`), 404, "MERIDIAN_NOT_FOUND");
});

test("nobody makes keys that may do more, and nobody reaches another tenant's", async () => {
  const { demo, acme } = federation.keys;
  assert.equal((await ask(demo, "POST", KEYS, { roles: ["operator"] })).status, 400);
  assert.equal((await ask(demo, "POST", KEYS, { roles: [] })).status, 400);
  assert.equal((await ask(acme, "GET", KEYS)).status, 404);
  assert.equal((await ask(acme, "POST", KEYS, {})).status, 404);
  const [own] = (await ask(demo, "GET", KEYS)).body.items as { id: string }[];
  assert.equal((await ask(acme, "DELETE", `/v1/tenants/acme/keys/${own?.id}`)).status, 404);
  const reader = await federation.newKey("demo", ["tenant-reader"]);
  assertProblem(await ask(reader, "POST", KEYS, {}), 403, "MERIDIAN_FORBIDDEN");
});

test("a tenant is suspended and resumed by operators alone", async () => {
  const { operator, demo } = federation.keys;
  const path = "/v1/tenants/acme:suspend";
  assert.equal((await ask(demo, "POST", path)).status, 404);
  assert.equal((await ask(federation.keys.acme, "POST", path)).status, 403);
  const suspended = await ask(operator, "POST", path);
  assert.equal(suspended.status, 200, JSON.stringify(suspended.body));
  assert.equal(suspended.body.isSuspended, true);
  const since = async () => {
    const { items } = (await ask(operator, "GET", "/v1/tenants")).body as {
      items: { name: string; suspendedAtMs?: number }[];
    };
    return items.find(({ name }) => name === "acme")?.suspendedAtMs;
  };
  const first = await since();
  assert.ok(first !== undefined);
  await ask(operator, "POST", path);
  assert.equal(await since(), first);
  const resumed = await ask(operator, "POST", "/v1/tenants/acme:resume");
  assert.deepEqual(resumed.body.enforced, { ready: ["eu-west.gateway"], waiting: [] });
  assert.equal(await since(), undefined);
  assertProblem(
    await ask(operator, "POST", "/v1/tenants/nobody:suspend"),
    404,
    "MERIDIAN_NOT_FOUND",
  );
});

test("keys made at once are no more than a tenant may have", async () => {
  const { acme } = federation.keys;
  const path = "/v1/tenants/acme/keys";
  for (let made = 1; made < 98; made += 1) await federation.newKey("acme", ["tenant-reader"]);
  const make = () => ask(acme, "POST", path, {});
  holdTransactions(federation.catalog, 8);
  const answers = await Promise.all(Array.from({ length: 8 }, make));
  const made = answers.filter(({ status }) => status === 201);
  assert.equal(made.length, 2, JSON.stringify(answers.map(({ body }) => body)));
  assertProblem(await make(), 409, "MERIDIAN_CONFLICT", /100 keys, which is the limit/);
});

test("what is no name and no id is told in words, not as an expression", async () => {
  const { operator, demo } = federation.keys;
  const tenant = await ask(operator, "POST", "/v1/tenants", { name: "Bob!" });
  assertProblem(tenant, 400, "MERIDIAN_BAD_REQUEST", /\/name must be 1 to 63 lower-case letters/);
  const key = await ask(demo, "DELETE", `${KEYS}/nope`);
  assertProblem(
    key,
    400,
    "MERIDIAN_BAD_REQUEST",
    /The path does not fit: \/id must be the id of a key/,
  );
  for (const { body } of [tenant, key]) assert.doesNotMatch(JSON.stringify(body), /pattern/);
});
