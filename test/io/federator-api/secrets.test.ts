import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { prefixes } from "#lib/contracts/catalog-keys.ts";
import {
  SECRET_REVISIONS_MAX,
  SECRETS_MAX,
} from "../../../federator/core/functions/plan-secret.ts";
import {
  type Answer,
  assertProblem,
  bootTokenHeader,
  call,
  startWithCode,
  startZones,
  type TestFederation,
  receiptOf,
  type TestZone,
} from "./zones.ts";

let federation: TestFederation;
let zone: TestZone;
let codeDigest: string;
/** Every answer there was, to look for values in. */
const answers: string[] = [];
before(async () => {
  ({ federation, zone, codeDigest } = await startWithCode(["eu-west"]));
});
after(() => federation.stop());

const planted = randomBytes(24).toString("hex");

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await call(
    zone,
    federation.keys.demo,
    method,
    `/v1/tenants/demo${path}`,
    body,
    headers,
  );
  answers.push(JSON.stringify([...answer.headers, answer.body]));
  return answer;
}
const deploy = (name: string, secrets: Record<string, string>, more: object = {}) =>
  ask("POST", `/functions/${name}/versions`, {
    codeDigest,
    codeReceipt: receiptOf(codeDigest),
    manifest: { name, placement: { regions: ["eu"] }, secrets, ...more },
  });

test("a secret goes in and is seen by its name, revision, who and when", async () => {
  const put = await ask("PUT", "/secrets/db-password", { value: planted });
  assert.equal(put.status, 200, JSON.stringify(put.body));
  assert.deepEqual([put.body.name, put.body.revision], ["db-password", 1]);
  assert.match(String(put.body.changedBy), /^mk_demo_/);
  assert.deepEqual((await ask("GET", "/secrets")).body.items, [put.body]);
  const got = await ask("GET", "/secrets/db-password");
  assert.deepEqual(got.body, put.body);
  assert.equal(got.headers.get("etag"), put.headers.get("etag"));
  assertProblem(await ask("GET", "/secrets/none"), 404, "MERIDIAN_NOT_FOUND");
});

test("a deploy takes the newest revision, keeps it, and names secrets and variables that cannot be", async () => {
  const first = await deploy("api", { DB_PASSWORD: "db-password", ALSO: "db-password" });
  assert.equal(first.status, 201, JSON.stringify(first.body));
  assert.equal((await ask("PUT", "/secrets/db-password", { value: `${planted}2` })).status, 200);
  await deploy("api", { DB_PASSWORD: "db-password" });
  const { items } = (await ask("GET", "/functions/api/versions")).body as {
    items: { secretRevisions: object }[];
  };
  assert.deepEqual(
    items.map(({ secretRevisions }) => secretRevisions),
    [{ "db-password": 1 }, { "db-password": 2 }],
  );
  const placed = await ask("PUT", "/functions/api/placement", { regions: ["eu-west"] });
  assert.deepEqual((placed.body.version as { secretRevisions: object }).secretRevisions, {
    "db-password": 2,
  });
  assertProblem(await deploy("api", { A: "nope" }), 400, "MERIDIAN_SECRET_UNKNOWN", /nope/);
  assertProblem(
    await deploy("api", { LD_PRELOAD: "db-password" }),
    400,
    "MERIDIAN_MANIFEST_INVALID",
    /LD_PRELOAD/,
  );
  assertProblem(
    await deploy("api", { A: "db-password" }, { environment: { A: "1" } }),
    400,
    "MERIDIAN_MANIFEST_INVALID",
    /Both/,
  );
});

test("a secret that a version needs stays, and the answer names the version; its numbers never come again", async () => {
  assertProblem(
    await ask("DELETE", "/secrets/db-password"),
    409,
    "MERIDIAN_CONFLICT",
    /version 1 of api, version 2 of api, version 3 of api/,
  );
  assert.equal((await ask("DELETE", "/functions/api")).status, 204);
  const stale = await ask("DELETE", "/secrets/db-password", undefined, { "if-match": '"1"' });
  assertProblem(stale, 412, "MERIDIAN_PRECONDITION_FAILED");
  assert.equal((await ask("DELETE", "/secrets/db-password")).status, 204);
  assertProblem(await ask("GET", "/secrets/db-password"), 404, "MERIDIAN_NOT_FOUND");
  assertProblem(await ask("DELETE", "/secrets/db-password"), 404, "MERIDIAN_NOT_FOUND");
  assert.deepEqual((await ask("GET", "/secrets")).body.items, []);
  assertProblem(await deploy("api", { A: "db-password" }), 400, "MERIDIAN_SECRET_UNKNOWN");
  const again = await ask(
    "PUT",
    "/secrets/db-password",
    { value: planted },
    { "if-none-match": "*" },
  );
  assert.equal(again.body.revision, 3);
});

test("a value that cannot be one is refused without a word of it", async () => {
  for (const value of ["", "x".repeat(4_097), "ü".repeat(2_049), `${planted}\0`, 7, null]) {
    const refused = await ask("PUT", "/secrets/odd", { value });
    assertProblem(refused, 400, "MERIDIAN_BAD_REQUEST");
  }
  assertProblem(await ask("PUT", "/secrets/Odd", { value: planted }), 400, "MERIDIAN_BAD_REQUEST");
  const broken = await fetch(`${zone.url}/v1/tenants/demo/secrets/odd`, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${federation.keys.demo}`,
      "content-type": "application/json",
    },
    body: `{"value": ${planted}`,
  });
  answers.push(await broken.text());
  assert.equal(broken.status, 400);
  const largest = await ask("PUT", "/secrets/odd", { value: "x".repeat(4_096) });
  assert.equal(largest.status, 200);
});

test("a deploy and a removal at the same time never leave a version without its secret", async () => {
  for (let round = 0; round < 30; round += 1) {
    const name = `race-${round}`;
    await ask("PUT", `/secrets/${name}`, { value: "v" });
    const [deployed, removed] = await Promise.all([
      deploy("racer", { A: name }),
      ask("DELETE", `/secrets/${name}`),
    ]);
    const outcome = `${deployed.status} ${removed.status}`;
    assert.ok(outcome === "201 409" || outcome === "400 204", outcome);
  }
});

test("revisions that no version needs make room; when all are needed, it is said", async () => {
  for (let count = 0; count < SECRET_REVISIONS_MAX; count += 1) {
    await ask("PUT", "/secrets/busy", { value: String(count) });
    if (count > 0) assert.equal((await deploy("busy", { A: "busy" })).status, 201);
  }
  assert.equal((await ask("PUT", "/secrets/busy", { value: "v" })).status, 200, "the first went");
  assert.equal((await deploy("busy", { A: "busy" })).status, 201);
  assertProblem(await ask("PUT", "/secrets/busy", { value: "v" }), 409, "MERIDIAN_LIMIT_REACHED");
});

test("a tenant has so many secrets, and a removed one makes room for another", async () => {
  const crowded = await startZones(["eu-west"]);
  const [only] = crowded.zones;
  assert.ok(only !== undefined);
  const put = (name: string) =>
    call(only, crowded.keys.demo, "PUT", `/v1/tenants/demo/secrets/${name}`, { value: "v" });
  for (let from = 0; from < SECRETS_MAX; from += 50)
    await crowded.catalog.txn({
      compares: [],
      operations: Array.from({ length: 50 }, (_, index) => ({
        kind: "put" as const,
        key: `${prefixes.secretNames}demo/s-${from + index}`,
        value: JSON.stringify({
          tenant: "demo",
          name: `s-${from + index}`,
          latestRevision: 1,
          isRemoved: from + index === 77,
          changedBy: "somebody",
          changedAtMs: 1,
        }),
      })),
    });
  assert.equal((await put("one-more")).status, 200);
  assertProblem(await put("another"), 409, "MERIDIAN_LIMIT_REACHED");
  assert.equal((await put("s-5")).body.revision, 2);
  await crowded.stop();
});

test("agents get what is encrypted, with the boot token alone", async () => {
  const path = "/internal/secrets/demo/db-password/3";
  assertProblem(
    await call(zone, federation.keys.operator, "GET", path),
    401,
    "MERIDIAN_UNAUTHENTICATED",
  );
  const answer = await call(zone, null, "GET", path, undefined, bootTokenHeader);
  assert.equal(answer.status, 200);
  answers.push(JSON.stringify(answer.body));
  assertProblem(
    await call(zone, null, "GET", `${path}9`, undefined, bootTokenHeader),
    404,
    "MERIDIAN_NOT_FOUND",
  );
});

test("no answer, no record of the catalog and no line of the audit has the value, in clear or in base64", async () => {
  const audit = await call(zone, federation.keys.operator, "GET", "/v1/audit?limit=1000");
  const range = await federation.catalog.range({ prefix: "", limit: 2_000 });
  assert.ok(range.kind === "page" && range.records.length > 10);
  const everything = [...answers, JSON.stringify(audit.body), JSON.stringify(range.records)].join();
  assert.ok(everything.includes("secrets.change") && everything.includes("ciphertext"));
  for (const form of [planted, Buffer.from(planted).toString("base64").slice(0, 24)])
    assert.ok(!everything.includes(form));
});
