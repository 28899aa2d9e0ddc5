import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../simulation/engine/seeded-random.ts";
import { gatewayInMemory } from "./gateway-in-memory.ts";
import { whereItMustGo } from "./oracle.ts";
import { randomCase, randomZones } from "./random-call.ts";

/** The same cases every time; others with a seed of their own. */
const SEED = process.env["GEO_SEED"] ?? "1";
const FEDERATIONS = Number(process.env["GEO_FEDERATIONS"] ?? 400);
const CASES_EACH = 250;

test("100,000 random calls go where a second, naive implementation says, and where the explanation says", async (context) => {
  context.diagnostic(`GEO_SEED=${SEED}`);
  const random = seededRandom(SEED);
  const seen = new Map<string, number>();
  const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  for (let federation = 0; federation < FEDERATIONS; federation += 1) {
    const zones = randomZones(random);
    const failover = random.chance(0.1) ? "off" : "on";
    const gatewayZone = zones[0] ?? assert.fail("there is a zone");
    const gateway = gatewayInMemory(zones, gatewayZone, failover);
    const held = { zone: gatewayZone };
    for (let index = 0; index < CASES_EACH; index += 1) {
      const given = randomCase(zones, failover, random);
      const must = whereItMustGo(given, held);
      const explained = await gateway.explain(given);
      const went = await gateway.call(given);
      const why = () =>
        `GEO_SEED=${SEED} ${JSON.stringify({ must, explained, went, given }, null, 1)}`;
      assert.equal(went.clusterId, must.clusterId, why());
      assert.equal(explained.chosen, went.clusterId, why());
      assert.equal(explained.source, must.source, why());
      assert.equal(went.status === 200, must.clusterId !== null, why());
      note(must.source ?? "unknown region");
      note(must.clusterId === null ? "goes nowhere" : "goes somewhere");
    }
  }
  // What no case met would be proved of nothing.
  for (const what of [
    "explicit",
    "affinity",
    "tenant-home",
    "edge-header",
    "address",
    "round-trip",
    "gateway-zone",
    "unknown region",
    "goes nowhere",
  ])
    assert.ok((seen.get(what) ?? 0) > FEDERATIONS / 4, `${what}: ${seen.get(what) ?? 0}`);
  context.diagnostic(JSON.stringify(Object.fromEntries(seen)));
});
