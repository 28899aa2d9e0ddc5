import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hashApiKey } from "#lib/api-key.ts";
import { openSqliteCatalog } from "#lib/io/sqlite-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { newKeyOperation } from "#lib/new-tenant.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { federationOperation } from "../../../../federator/io/replica/identify-catalog.ts";
import { FEDERATION_ID, put, write } from "../support/replicas.ts";
import { BOOT_TOKEN, startThreeZones, type TestFederation } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

const OPERATOR = "an-operators-key";
/** Zones that were ahead of the backup, and one that was away. */
const AHEAD = ["eu-west", "us-east"];
const AWAY = "ap-south";

let directory: string;
let catalog: Catalog;
let federation: TestFederation;
/** Of a tenant that the backup does not know. */
let laterKey = "";

const openCatalog = (): Promise<Catalog> =>
  openSqliteCatalog({
    databaseFile: join(directory, "catalog.sqlite"),
    databaseBytesMax: 1e9,
    clock: systemClock,
    onLost: assert.fail,
  });

/** Whichever catalog is there now. */
const presentCatalog: Catalog = {
  txn: (transaction, signal) => catalog.txn(transaction, signal),
  range: (query, signal) => catalog.range(query, signal),
  watch: (query, signal) => catalog.watch(query, signal),
  grantLease: (ttlMs, signal) => catalog.grantLease(ttlMs, signal),
  renewLease: (leaseId, signal) => catalog.renewLease(leaseId, signal),
  revokeLease: (leaseId, signal) => catalog.revokeLease(leaseId, signal),
  compact: (revision, signal) => catalog.compact(revision, signal),
  close: () => catalog.close(),
};

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "meridian-undecided-"));
  const file = join(directory, "catalog.sqlite");
  catalog = await openCatalog();
  const operator = { keyHash: hashApiKey(OPERATOR), prefix: "oper" };
  await write(
    catalog,
    federationOperation(FEDERATION_ID, 1),
    newKeyOperation(operator, null, ["operator"], 1),
  );
  await catalog.close();
  await cp(file, `${file}.backup`);

  catalog = await openCatalog();
  federation = await startThreeZones({}, undefined, undefined, presentCatalog);
  await until("every cluster is seen", federation.allInService);
  await federation.zone(AWAY).kill();
  const created = await call("eu-west", "POST", "/v1/tenants", { name: "later" });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  laterKey = String(created.body["apiKey"]);
  const name = { tenant: "later", name: "stranded", latestVersion: 1, createdAtMs: 1 };
  const revision = await write(catalog, put("functions/later/stranded", JSON.stringify(name)));
  await until("both zones are ahead of the backup", async () => {
    const { zones } = (await call("eu-west", "GET", "/v1/catalog")).body as unknown as {
      zones: { position: { revision: number } }[];
    };
    return zones.filter(({ position }) => position.revision >= revision).length === 2;
  });

  for (const zone of AHEAD) await federation.zone(zone).kill();
  await catalog.close();
  for (const suffix of ["-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
  await cp(`${file}.backup`, file);
  catalog = await openCatalog();
  await Promise.all([...AHEAD, AWAY].map((zone) => federation.zone(zone).start()));
});
after(async () => {
  await federation.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function call(
  zone: string,
  method: string,
  path: string,
  json?: unknown,
  key = OPERATOR,
): Promise<Answer> {
  const response = await fetch(`${await federation.zone(zone).federatorUrl()}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      "meridian-boot-token": BOOT_TOKEN,
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

const lastingKeys = async (): Promise<string[]> => {
  const page = await catalog.range({ prefix: "" });
  assert.ok(page.kind === "page");
  return page.records
    .map(({ key }) => key)
    .filter((key) => /^(tenants|api-keys|functions|versions|quotas)\//.test(key));
};

const changes: readonly (readonly [string, string, unknown?])[] = [
  ["POST", "/v1/tenants", { name: "another" }],
  ["POST", "/v1/tenants", { name: "later" }],
  ["POST", "/v1/tenants/later:suspend"],
  ["DELETE", "/v1/tenants/later/keys/0123456789abcdef"],
  ["DELETE", "/v1/tenants/later/functions/stranded"],
];

test("right after the start, and while records are stranded, no zone that was ahead takes a change", async () => {
  const before = await lastingKeys();
  for (const zone of AHEAD)
    for (const [method, path, json] of changes) {
      const { status, body } = await call(zone, method, path, json);
      const what = `${zone} ${method} ${path}: ${JSON.stringify(body)}`;
      assert.deepEqual([status, body["code"]], [409, "MERIDIAN_CATALOG_UNDECIDED"], what);
      assert.match(String(body["detail"]), /catalog status.*catalog recover.*catalog discard/);
    }
  const own = await call("eu-west", "PUT", "/v1/tenants/later/secrets/s", { value: "x" }, laterKey);
  assert.equal(own.body["code"], "MERIDIAN_CATALOG_UNDECIDED");
  const listed = await call("eu-west", "GET", "/v1/tenants/later/keys", undefined, laterKey);
  assert.equal(listed.status, 200, "what is stranded is served");
  assert.deepEqual(await lastingKeys(), before);
});

test("the zone that was away hears of it and refuses too", async () => {
  await until("it has heard", async () => {
    // Malformed, so that nothing is made while it has not.
    const { body } = await call(AWAY, "POST", "/v1/tenants", {});
    return body["code"] === "MERIDIAN_CATALOG_UNDECIDED";
  });
  for (const [method, path, json] of changes) {
    const { status, body } = await call(AWAY, method, path, json);
    assert.deepEqual([status, body["code"]], [409, "MERIDIAN_CATALOG_UNDECIDED"]);
  }
});

test("recovered, the next change is taken at once, and what was stranded can be taken away", async () => {
  const json = { zone: "eu-west" };
  const recovery = await call(AWAY, "POST", "/v1/catalog:recover", json);
  assert.deepEqual(
    [recovery.status, recovery.body["left"]],
    [200, 0],
    JSON.stringify(recovery.body),
  );
  const created = await call(AWAY, "POST", "/v1/tenants", { name: "another" });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const again = await call("us-east", "POST", "/v1/tenants", { name: "later" });
  assert.deepEqual([again.status, again.body["code"]], [409, "MERIDIAN_CONFLICT"]);

  const { body } = await call("eu-west", "GET", "/v1/tenants/later/keys");
  const { items } = body as unknown as { items: { id: string }[] };
  assert.equal(items.length, 1);
  const path = `/v1/tenants/later/keys/${items[0]?.id}`;
  const revoked = await call("eu-west", "DELETE", path);
  assert.ok(revoked.status < 300, JSON.stringify(revoked.body));
  const used = await call("eu-west", "GET", "/v1/tenants/later/keys", undefined, laterKey);
  assert.equal(used.status, 401);
});
