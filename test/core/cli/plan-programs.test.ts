import assert from "node:assert/strict";
import { test } from "node:test";
import { parseZones } from "../../../cli/up/core/parse-zones.ts";
import { type Federation, planPrograms } from "../../../cli/up/core/plan-programs.ts";

const parsed = parseZones("eu-west,us-east,ap-south");
const federation: Federation = {
  stateDirectory: "/state",
  zones: parsed.kind === "zones" ? parsed.zones : [],
  catalog: { kind: "embedded" },
  basePort: 8_080,
  hasReusePort: true,
  workers: 1,
  idleMs: 60_000,
  failover: "on",
  fastLane: "on",
  acceptsCatalogLoss: false,
  trustedProxies: [],
  logLevel: "info",
};
const gateways = (plans: ReturnType<typeof planPrograms>) =>
  plans
    .filter(({ program, isSpare }) => program === "gateway" && !isSpare)
    .map(({ config }) => config);

test("three zones are ten processes, the catalog in none of the zones", () => {
  const plans = planPrograms(federation).filter(({ isSpare }) => !isSpare);
  assert.equal(plans.length, 10);
  assert.deepEqual(
    plans.filter(({ zone }) => zone === null).map(({ program }) => program),
    ["catalog"],
  );
  assert.equal(new Set(plans.map(({ configFile }) => configFile)).size, 10);
  assert.equal(new Set(plans.map(({ logFile }) => logFile)).size, 10);
});

test("every gateway shares the one address and has the next port for itself", () => {
  const configs = gateways(planPrograms(federation));
  assert.deepEqual(
    configs.map(({ sharedPort }) => sharedPort),
    [8_080, 8_080, 8_080],
  );
  assert.deepEqual(
    configs.map(({ publicPort }) => publicPort),
    [8_081, 8_082, 8_083],
  );
});

test("workers of a zone share its port and nothing that they write, and one place is kept for a successor", () => {
  const plans = planPrograms({ ...federation, workers: 2 }).filter(
    ({ zone, program }) => zone === "us-east" && program === "gateway",
  );
  assert.deepEqual(
    plans.map(({ name, isSpare }) => [name, isSpare]),
    [
      ["gateway", false],
      ["gateway.2", false],
      ["gateway.3", true],
    ],
  );
  assert.deepEqual(new Set(plans.map(({ config }) => config["publicPort"])), new Set([8_082]));
  assert.ok(plans.every(({ config }) => config["sharesPublicPort"] === true));
  for (const key of ["worker", "stateDirectory"])
    assert.equal(new Set(plans.map(({ config }) => config[key])).size, 3);
  for (const key of ["configFile", "logFile"] as const)
    assert.equal(new Set(plans.map((plan) => plan[key])).size, 3);
});

test("without SO_REUSEPORT the first gateway alone has the address", () => {
  const configs = gateways(planPrograms({ ...federation, hasReusePort: false }));
  assert.deepEqual(
    configs.map(({ sharedPort }) => sharedPort),
    [8_080, 0, 0],
  );
});

test("a federator and the agent of its zone share the code store, and no two zones share a folder", () => {
  const stores = planPrograms(federation).flatMap(({ config, program }) =>
    program === "agent" || program === "federator" ? [config["codeDirectory"]] : [],
  );
  assert.deepEqual(stores, [
    "/state/zones/eu-west/code",
    "/state/zones/eu-west/code",
    "/state/zones/us-east/code",
    "/state/zones/us-east/code",
    "/state/zones/ap-south/code",
    "/state/zones/ap-south/code",
  ]);
});

test("failover is switched off where it is decided: in federators and gateways", () => {
  const plans = planPrograms({ ...federation, failover: "off" });
  const told = plans.filter(({ config }) => config["failover"] === "off");
  assert.deepEqual(new Set(told.map(({ program }) => program)), new Set(["federator", "gateway"]));
});
