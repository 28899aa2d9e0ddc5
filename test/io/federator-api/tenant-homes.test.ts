import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertProblem, call, startZones, type TestFederation } from "./zones.ts";

let federation: TestFederation;
before(async () => {
  federation = await startZones(["eu-west"]);
});
after(() => federation.stop());

const move = (key: string, homeRegion: unknown, tenant = "acme") => {
  const zone = federation.zones[0] ?? assert.fail("it was started");
  return call(zone, key, "POST", `/v1/tenants/${tenant}:home`, { homeRegion });
};
const homeOf = async (tenant: string): Promise<unknown> => {
  const zone = federation.zones[0] ?? assert.fail("it was started");
  const { body } = await call(zone, federation.keys.operator, "GET", "/v1/tenants");
  const items = body.items as { name: string; homeRegion?: string }[];
  return items.find(({ name }) => name === tenant)?.homeRegion;
};

test("an operator gives a tenant a home, and takes it away", async () => {
  const { operator } = federation.keys;
  const moved = await move(operator, "eu-west");
  assert.equal(moved.status, 200, JSON.stringify(moved.body));
  assert.equal(moved.body.homeRegion, "eu-west");
  assert.equal(await homeOf("acme"), "eu-west");
  assert.equal((await move(operator, null)).status, 200);
  assert.equal(await homeOf("acme"), undefined);
});

test("nobody else does, and not to where nothing is", async () => {
  const { operator, acme, demo } = federation.keys;
  assertProblem(await move(acme, "eu-west"), 403, "MERIDIAN_FORBIDDEN");
  assert.equal((await move(demo, "eu-west")).status, 404);
  assertProblem(await move(operator, "mars"), 400, "MERIDIAN_REGION_UNKNOWN");
  assertProblem(await move(operator, "eu-west", "nobody"), 404, "MERIDIAN_NOT_FOUND");
  for (const wrong of ["", "EU", 7, undefined])
    assert.equal((await move(operator, wrong)).status, 400);
});
