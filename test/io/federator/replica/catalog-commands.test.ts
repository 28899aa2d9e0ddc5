import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { hashApiKey } from "#lib/api-key.ts";
import { FederationCatalog } from "#lib/contracts/catalog-status.ts";
import { newKeyOperation } from "#lib/new-tenant.ts";
import { BOOT_TOKEN, startThreeZones, type TestFederation } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

const OPERATOR = "an-operators-key";
const READER = "a-readers-key";
let federation: TestFederation;
before(async () => {
  federation = await startThreeZones({}, async (catalog) => {
    const key = (apiKey: string, roles: Parameters<typeof newKeyOperation>[2]) =>
      newKeyOperation({ keyHash: hashApiKey(apiKey), prefix: apiKey.slice(0, 4) }, null, roles, 1);
    const operations = [key(OPERATOR, ["operator"]), key(READER, ["approver"])];
    await catalog.txn({ compares: [], operations });
  });
  await until("every cluster is seen", federation.allInService);
});
after(() => federation.stop());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function call(
  zone: string,
  method: string,
  path: string,
  json?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${await federation.zone(zone).federatorUrl()}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${OPERATOR}`,
      "meridian-boot-token": BOOT_TOKEN,
      ...(json === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  const body = text === "" ? {} : Value.Parse(FreeForm, JSON.parse(text));
  return { status: response.status, headers: response.headers, body };
}
const FreeForm = Type.Record(Type.String(), Type.Unknown());

async function catalogStatus(): Promise<FederationCatalog> {
  const { body } = await call("eu-west", "GET", "/v1/catalog");
  return Value.Parse(FederationCatalog, body);
}

test("all zones show one position in the end, and one digest of it", async () => {
  await until("the digests are the same", async () => {
    const { zones } = await catalogStatus();
    const marks = zones.map(({ position, digest }) => `${position?.revision} ${digest}`);
    return zones.length === 3 && new Set(marks).size === 1 && zones[0]?.digest !== null;
  });
});

test("an answer carries its position, and another zone answers from there", async () => {
  const created = await call("eu-west", "POST", "/v1/tenants", { name: "reader" });
  assert.equal(created.status, 201);
  const position = created.headers.get("meridian-position") ?? "";
  const asked = { "meridian-min-position": position };
  const seen = await call("ap-south", "GET", "/v1/tenants", undefined, asked);
  assert.match(JSON.stringify(seen.body), /"reader"/);
  assert.match(seen.headers.get("meridian-replica-age-ms") ?? "", /^\d+$/);

  const [incarnation = ""] = position.split(".");
  const ahead = await call("ap-south", "GET", "/v1/tenants", undefined, {
    "meridian-min-position": `${incarnation}.999999999`,
  });
  assert.deepEqual([ahead.status, ahead.body["code"]], [503, "MERIDIAN_REPLICA_BEHIND"]);
  const elsewhere = await call("ap-south", "GET", "/v1/tenants", undefined, {
    "meridian-min-position": "elsewhere.1",
  });
  assert.deepEqual([elsewhere.status, elsewhere.body["code"]], [409, "MERIDIAN_POSITION_UNKNOWN"]);
  const malformed = await call("ap-south", "GET", "/v1/tenants", undefined, {
    "meridian-min-position": "7",
  });
  assert.deepEqual([malformed.status, malformed.body["code"]], [400, "MERIDIAN_BAD_REQUEST"]);
});

const refused: readonly { path: string; json: unknown; status: number; code: string }[] = [
  { path: "recover", json: {}, status: 400, code: "MERIDIAN_BAD_REQUEST" },
  { path: "recover", json: { zone: "nowhere" }, status: 404, code: "MERIDIAN_NOT_FOUND" },
  { path: "discard", json: { zone: "us-east" }, status: 409, code: "MERIDIAN_CONFLICT" },
  { path: "accept", json: { zone: "eu-west" }, status: 409, code: "MERIDIAN_CONFLICT" },
];
for (const { path, json, status, code } of refused)
  test(`catalog:${path} with ${JSON.stringify(json)} is ${code}`, async () => {
    const answer = await call("eu-west", "POST", `/v1/catalog:${path}`, json);
    assert.deepEqual([answer.status, answer.body["code"]], [status, code]);
  });

test("only operators look and decide", async () => {
  const authorization = { authorization: `Bearer ${READER}` };
  const looked = await call("eu-west", "GET", "/v1/catalog", undefined, authorization);
  assert.equal(looked.body["code"], "MERIDIAN_FORBIDDEN");
  const json = { zone: "eu-west" };
  const decided = await call("eu-west", "POST", "/v1/catalog:recover", json, authorization);
  assert.equal(decided.body["code"], "MERIDIAN_FORBIDDEN");
});

test("a zone that comes back after its history was forgotten follows by a snapshot, and has what the others have", async () => {
  const { catalog } = federation;
  const away = federation.zone("ap-south");
  await away.kill();
  for (const name of ["one", "two"])
    assert.equal((await call("eu-west", "POST", "/v1/tenants", { name })).status, 201);
  const removed = { kind: "delete", key: "gadgets/old" } as const;
  await catalog.txn({ compares: [], operations: [{ ...removed, kind: "put", value: "1" }] });
  const { revision } = await catalog.txn({ compares: [], operations: [removed] });
  await catalog.compact(revision);
  const silent = await catalogStatus();
  assert.deepEqual(silent.silentZones, ["ap-south"]);

  await away.start();
  await until("it has what the others have", async () => {
    const { zones } = await catalogStatus();
    const marks = zones.map(({ position, digest }) => `${position?.revision} ${digest}`);
    return zones.length === 3 && new Set(marks).size === 1;
  });
  const tenants = await call("ap-south", "GET", "/v1/tenants");
  assert.match(JSON.stringify(tenants.body), /"two"/);
  assert.match(await away.metrics(), /^meridian_replica_age_seconds\S* \d/m);
  const { replicaTroubles, replicaAgeMs } = await away.status();
  assert.equal(replicaTroubles, undefined);
  assert.ok((replicaAgeMs ?? Number.POSITIVE_INFINITY) < 15_000);
});

test("a zone holds back the removal of many functions that it did not see, until an operator accepts it", async () => {
  const { catalog } = federation;
  const functions = Array.from({ length: 25 }, (_, index) => `functions/reader/f${index}`);
  const write = (kind: "put" | "delete") =>
    catalog.txn({
      compares: [],
      operations: functions.map((key) =>
        kind === "put" ? { kind, key, value: "{}" } : { kind, key },
      ),
    });
  const untilAt = (revision: number) =>
    until("every zone that runs is there", async () => {
      const { zones } = await catalogStatus();
      return zones.every(({ position }) => (position?.revision ?? 0) >= revision);
    });
  await untilAt((await write("put")).revision);
  const away = federation.zone("ap-south");
  await away.kill();
  const { revision } = await write("delete");
  await untilAt(revision);
  await catalog.compact(revision);
  await away.start();
  const itsView = async () => (await catalogStatus()).zones.find(({ zone }) => zone === "ap-south");
  await until("it holds them back", async () => (await itsView())?.heldBack?.removed === 25);
  assert.equal((await away.status()).replicaTroubles?.heldBackFunctions, 25);

  const accepted = await call("eu-west", "POST", "/v1/catalog:accept", { zone: "ap-south" });
  assert.deepEqual([accepted.status, accepted.body["heldBack"]], [200, null]);
  const audit = await call("us-east", "GET", "/v1/audit?limit=100");
  assert.match(JSON.stringify(audit.body), /"catalog\.accept"/);
});

test("an emptied catalog is refused by every zone, said, and recovered from the replica of one", async () => {
  const { catalog } = federation;
  const everything = await catalog.range({ prefix: "" });
  assert.ok(everything.kind === "page");
  const operations = everything.records.map(({ key }) => ({ kind: "delete", key }) as const);
  await catalog.txn({ compares: [], operations });
  await until("every zone refuses it", async () => {
    const { zones } = await catalogStatus();
    return zones.every(({ refusal }) => refusal?.code === "MERIDIAN_CATALOG_FOREIGN");
  });
  const left = await catalog.range({ prefix: "" });
  const status = await federation.zone("us-east").status();
  assert.equal(status.replicaTroubles?.catalogRefused, "MERIDIAN_CATALOG_FOREIGN");
  assert.match(await federation.zone("us-east").metrics(), /^meridian_catalog_refused.* 1$/m);
  const written = await call("eu-west", "POST", "/v1/tenants", { name: "refused" });
  assert.deepEqual([written.status, written.body["code"]], [503, "MERIDIAN_CATALOG_FOREIGN"]);
  assert.deepEqual(await catalog.range({ prefix: "" }), left);

  // Asked of one zone for another.
  const json = { zone: "ap-south" };
  const recovery = await call("eu-west", "POST", "/v1/catalog:recover", json);
  assert.equal(recovery.status, 200, JSON.stringify(recovery.body));
  assert.equal(recovery.body["left"], 0);
  await until("every zone follows it again, and keeps nothing", async () => {
    const { zones } = await catalogStatus();
    return zones.every(({ refusal, stranded }) => refusal === null && stranded.served === 0);
  });
  const tenants = await call("us-east", "GET", "/v1/tenants");
  assert.match(JSON.stringify(tenants.body), /"reader"/);
  const audit = await call("us-east", "GET", "/v1/audit?limit=100");
  assert.match(JSON.stringify(audit.body), /"catalog\.recover"/);
  await until("the clusters are in service again", federation.allInService);
});
