import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { GrantRecord } from "#lib/contracts/quota-records.ts";
import { WHOLE } from "#lib/divide-grants.ts";
import { newTenantTransaction } from "#lib/new-tenant.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { type FakeGateway, startFakeGateway } from "../support/fake-gateway.ts";
import { startThreeZones, type TestFederation, ZONES } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

const zoneNames = ZONES.map(({ name }) => name);
const [first = "", second = "", third = ""] = zoneNames;

/** The tenant demo, 1,000 requests per second by default. */
const withTenant = async (catalog: Catalog): Promise<void> => {
  const key = { keyHash: "0".repeat(64), prefix: "mk_demo" };
  await catalog.txn(newTenantTransaction("demo", key, zoneNames, 1));
};

const grantOf = async (federation: TestFederation): Promise<GrantRecord> =>
  Value.Parse(GrantRecord, await federation.record(keys.grant("demo")));

async function startGateways(federation: TestFederation): Promise<Map<string, FakeGateway>> {
  const gateways = new Map<string, FakeGateway>();
  for (const zone of zoneNames) gateways.set(zone, await startFakeGateway(federation, zone));
  await until("each gateway has its right", async () =>
    gateways.values().every((one) => one.rightMillionths("demo") > 0.3 * WHOLE),
  );
  return gateways;
}

/** Watches that neither the catalog's parts nor what gateways believe ever exceed the limit. */
function watchLimit(federation: TestFederation, gateways: ReadonlyMap<string, FakeGateway>) {
  const excesses: string[] = [];
  const watching = new AbortController();
  const timer = setInterval(() => {
    const sum = gateways.values().reduce((total, one) => total + one.rightMillionths("demo"), 0);
    if (sum > WHOLE) excesses.push(`gateways believe in ${sum}`);
  }, 2);
  const query = { prefix: keys.grant("demo"), afterRevision: 0 };
  const watched = (async () => {
    for await (const event of federation.catalog.watch(query, watching.signal)) {
      if (event.kind !== "revision") continue;
      for (const change of event.changes) {
        if (change.kind !== "put") continue;
        const { zones } = Value.Parse(GrantRecord, JSON.parse(change.record.value));
        const sum = Object.values(zones).reduce(
          (total, one) => total + one.floorMillionths + one.leaseMillionths,
          0,
        );
        if (sum > WHOLE) excesses.push(`the catalog grants ${sum}`);
      }
    }
  })().catch(() => undefined);
  return async (): Promise<readonly string[]> => {
    clearInterval(timer);
    watching.abort();
    await watched;
    return excesses;
  };
}

test("the limit follows the demand from zone to zone and is never exceeded on the way", async () => {
  const federation = await startThreeZones({}, withTenant);
  try {
    const gateways = await startGateways(federation);
    const excesses = watchLimit(federation, gateways);
    for (const hot of [first, second]) {
      for (const [zone, gateway] of gateways) gateway.offer("demo", zone === hot ? 3_000 : 1);
      await until(`${hot} has most of the limit`, async () => {
        const right = gateways.get(hot)?.rightMillionths("demo") ?? 0;
        return right >= 0.85 * WHOLE;
      });
    }
    for (const gateway of gateways.values()) gateway.offer("demo", 1_000);
    await until("every zone has a third again", async () =>
      gateways.values().every((one) => one.rightMillionths("demo") > 0.3 * WHOLE),
    );
    assert.deepEqual(await excesses(), []);
  } finally {
    await federation.stop();
  }
});

test("a dead zone's leases reach the survivor that needs them, its floor does not", async () => {
  const federation = await startThreeZones({}, withTenant);
  try {
    const gateways = await startGateways(federation);
    const excesses = watchLimit(federation, gateways);
    gateways.get(first)?.offer("demo", 3_000);
    for (const zone of [second, third]) gateways.get(zone)?.offer("demo", 3_000);
    await federation.zone(third).kill();
    await until("its lease is with the others", async () => {
      const { zones } = await grantOf(federation);
      const right = gateways.get(first)?.rightMillionths("demo") ?? 0;
      return zones[third]?.leaseMillionths === 0 && right > 0.4 * WHOLE;
    });
    const { zones } = await grantOf(federation);
    assert.ok((zones[third]?.floorMillionths ?? 0) > 0);
    assert.deepEqual(await excesses(), []);
  } finally {
    await federation.stop();
  }
});

test("with the catalog gone the leases end and the floors hold", async () => {
  const federation = await startThreeZones({}, withTenant);
  try {
    const gateways = await startGateways(federation);
    for (const zone of zoneNames) federation.zone(zone).link.cut();
    const { zones } = await grantOf(federation);
    await until("every gateway is at its floor", async () =>
      gateways
        .entries()
        .every(([zone, one]) => one.rightMillionths("demo") === zones[zone]?.floorMillionths),
    );
    for (const zone of zoneNames) federation.zone(zone).link.mend();
    await until("the leases are back", async () =>
      gateways.values().every((one) => one.rightMillionths("demo") > 0.3 * WHOLE),
    );
  } finally {
    await federation.stop();
  }
});
