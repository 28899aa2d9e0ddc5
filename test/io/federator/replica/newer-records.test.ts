import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hashApiKey } from "#lib/api-key.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { newKeyOperation, newTenantTransaction } from "#lib/new-tenant.ts";
import { put, write } from "../support/replicas.ts";
import { startFakeGateway } from "../support/fake-gateway.ts";
import { BOOT_TOKEN, startThreeZones, type TestFederation } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

/*
 * One zone was upgraded before these three: the catalog has fields, kinds and shapes that they do not know. What they write
 * again they write whole, and nothing of it stops them.
 */
const OPERATOR = "an-operators-key";
const FUTURE = { ofTheFuture: ["kept", "by", "everybody"] };
let federation: TestFederation;
before(async () => {
  federation = await startThreeZones({}, async (catalog) => {
    const names = ["eu-west", "us-east", "ap-south"];
    const key = { keyHash: hashApiKey("demo-key"), prefix: "demo" };
    await catalog.txn(newTenantTransaction("demo", key, names, 1));
    const operator = { keyHash: hashApiKey(OPERATOR), prefix: "an-o" };
    await write(catalog, newKeyOperation(operator, null, ["operator"], 1));
  });
  await until("every cluster is seen", federation.allInService);
});
after(() => federation.stop());

/** As a newer version would have written it. */
async function addFuture(key: string): Promise<void> {
  await until(`${key} is of the future`, async () => {
    const page = await federation.catalog.range({ prefix: key, limit: 1 });
    const held = page.kind === "page" ? page.records.find((one) => one.key === key) : undefined;
    if (held === undefined) return false;
    const operation = put(key, JSON.stringify({ ...JSON.parse(held.value), ...FUTURE }));
    const compares = [{ kind: "modified-at", key, revision: held.modRevision }] as const;
    const { kind } = await federation.catalog.txn({ compares, operations: [operation] });
    return kind === "committed";
  });
}

async function assertKept(key: string): Promise<void> {
  const record = await federation.record(key);
  assert.deepEqual(
    record?.["ofTheFuture"],
    FUTURE.ofTheFuture,
    `${key}: ${JSON.stringify(record)}`,
  );
}

/** Its answer waits for agents that these zones do not have: what counts here is the record. */
async function suspend(tenant: string): Promise<void> {
  const url = `${await federation.zone("eu-west").federatorUrl()}/v1/tenants/${tenant}:suspend`;
  const headers = { authorization: `Bearer ${OPERATOR}`, "meridian-boot-token": BOOT_TOKEN };
  const given = new AbortController();
  const asked = fetch(url, { method: "POST", headers, signal: given.signal }).catch(
    () => undefined,
  );
  await until("it is suspended", async () => {
    const record = await federation.record(keys.tenant(tenant));
    return record?.["suspendedAtMs"] !== undefined;
  });
  given.abort();
  await asked;
}

test("verdicts, ramps, grants and suspensions keep the fields that their writers do not know", async () => {
  const { catalog } = federation;
  const verdict = keys.verdict("us-east-1");
  const grant = keys.grant("demo");
  await write(catalog, put(keys.planInput(), JSON.stringify({ rampPercent: {}, ...FUTURE })));
  for (const key of [verdict, keys.tenant("demo"), grant]) await addFuture(key);

  await suspend("demo");
  await assertKept(keys.tenant("demo"));

  const revisionOf = async (key: string): Promise<number> => {
    const page = await catalog.range({ prefix: key, limit: 1 });
    return page.kind === "page" ? (page.records[0]?.modRevision ?? 0) : 0;
  };
  const grantBefore = await revisionOf(grant);
  const gateway = await startFakeGateway(federation, "ap-south");
  gateway.offer("demo", 5_000);
  await until("grants moved", async () => (await revisionOf(grant)) > grantBefore);
  await assertKept(grant);

  await federation.zone("us-east").killAgent();
  await until("it is down", async () => !(await federation.isInService("us-east")));
  await assertKept(verdict);
  const inputBefore = await revisionOf("plan-input");
  await federation.zone("us-east").startAgent();
  await until("it is up", () => federation.isInService("us-east"));
  await assertKept(verdict);
  await until(
    "its ramp is written",
    async () => (await revisionOf("plan-input")) > inputBefore + 1,
  );
  await assertKept(keys.planInput());
});

test("kinds and shapes of records that are not known are copied, and stop neither replica nor feed", async () => {
  const { catalog } = federation;
  const gateway = await startFakeGateway(federation, "eu-west");
  await until("the gateway has a table", async () => gateway.table() !== undefined);
  const revision = await write(
    catalog,
    put("gadgets/demo/one", '{"shape":"of the future"}'),
    put(keys.function("demo", "odd"), '{"shape":"of the future"}'),
    put(keys.version("demo", "odd", 1), "no JSON at all"),
    put(keys.alias("demo", "odd", "live"), '{"version":[1]}'),
    put(keys.cluster("us-east-1"), '{"mode":"hibernating"}'),
    put(keys.shift("of-the-future"), "[]"),
  );
  await until(
    "the gateway has a table of that revision",
    async () => (gateway.table()?.position.revision ?? 0) >= revision,
  );
  assert.equal(gateway.table()?.entries.has("function/demo/odd"), false);
  await until("all zones hold the same", async () => {
    const statuses = await Promise.all(
      ["eu-west", "us-east", "ap-south"].map((zone) => federation.zone(zone).status()),
    );
    return statuses.every(
      ({ position, replicaTroubles }) =>
        (position?.revision ?? 0) >= revision && replicaTroubles === undefined,
    );
  });
  assert.equal((await federation.record("gadgets/demo/one"))?.["shape"], "of the future");
});
