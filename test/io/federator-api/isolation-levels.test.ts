import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { PlanInputRecord } from "#lib/contracts/control-records.ts";
import {
  type Answer,
  assertProblem,
  call,
  receiptOf,
  startWithCode,
  type TestFederation,
  type TestZone,
} from "./zones.ts";

let federation: TestFederation;
let zone: TestZone;
let codeDigest: string;
before(async () => {
  ({ federation, zone, codeDigest } = await startWithCode(["eu-west", "us-east"]));
});
after(() => federation.stop());

/** What the leader wrote of the clusters' reports. */
async function proved(isolationLevels: PlanInputRecord["isolationLevels"]): Promise<void> {
  const record: PlanInputRecord = { rampPercent: {}, ...(isolationLevels && { isolationLevels }) };
  await federation.catalog.txn({
    compares: [],
    operations: [{ kind: "put", key: keys.planInput(), value: JSON.stringify(record) }],
  });
}

const deploy = (name: string, more: object): Promise<Answer> =>
  call(zone, federation.keys.demo, "POST", `/v1/tenants/demo/functions/${name}/versions`, {
    codeDigest,
    codeReceipt: receiptOf(codeDigest),
    manifest: { name, placement: { regions: ["eu", "us"] }, ...more },
  });
/** The zone's replica follows the catalog in its own time. */
async function deployed(name: string, more: object): Promise<Answer> {
  for (;;) {
    const answer = await deploy(name, more);
    if (answer.body["code"] !== "MERIDIAN_ISOLATION_UNPROVED") return answer;
  }
}

test("before any cluster has proved anything, only what asks for nothing is deployed", async () => {
  assertProblem(
    await deploy("guarded", { minIsolation: "L1" }),
    409,
    "MERIDIAN_ISOLATION_UNPROVED",
    /asks for L1.*eu-west-1 has proved nothing yet, us-east-1 has proved nothing yet/,
  );
  assert.equal((await deploy("anyhow", { minIsolation: "L0" })).status, 201);
});

test("one permitted cluster that has proved the level is enough", async () => {
  await proved({ "eu-west-1": "L1", "us-east-1": "L2" });
  const answer = await deployed("guarded", { minIsolation: "L2" });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  const offline = await deployed("offline", { network: "none" });
  assert.equal(offline.status, 201, JSON.stringify(offline.body));
});

test("what clusters that the placement does not permit have proved does not count", async () => {
  await proved({ "eu-west-1": "L1", "us-east-1": "L2", "ap-south-1": "L4" });
  const answer = await deploy("guarded", { minIsolation: "L3" });
  assertProblem(answer, 409, "MERIDIAN_ISOLATION_UNPROVED", /us-east-1 has proved L2/);
  assert.doesNotMatch(String(answer.body["detail"]), /ap-south/);
  assertProblem(
    await deploy("offline", { network: "none", placement: { regions: ["eu"] } }),
    409,
    "MERIDIAN_ISOLATION_UNPROVED",
    /network "none", which needs L2/,
  );
});

test("an alias is led to no version whose level no permitted cluster has proved any more", async () => {
  await proved({ "eu-west-1": "L1", "us-east-1": "L2" });
  const aliases = "/v1/tenants/demo/functions/led/aliases";
  const ask = (method: string, path: string, body: object): Promise<Answer> =>
    call(zone, federation.keys.demo, method, `${aliases}${path}`, body);
  assert.equal((await deployed("led", { minIsolation: "L2" })).status, 201);
  assert.equal((await deployed("led", {})).status, 201);
  const shared = { version: 2, additionalVersions: [{ version: 1, percent: 10 }] };
  assert.equal((await ask("PUT", "/both", shared)).status, 200);

  await proved({ "eu-west-1": "L1", "us-east-1": "L1", "ap-south-1": "L4" });
  // The zone's replica follows the catalog in its own time.
  for (;;) if ((await ask("PUT", "/any", { version: 1 })).status === 409) break;
  for (const [method, path, body] of [
    ["PUT", "/live", { version: 1 }],
    ["PUT", "/new", { version: 1 }],
    ["PUT", "/live", shared],
    ["POST", "/live:rollout", { version: 1 }],
  ] as const)
    assertProblem(
      await ask(method, path, body),
      409,
      "MERIDIAN_ISOLATION_UNPROVED",
      /asks for L2.*eu-west-1 has proved L1, us-east-1 has proved L1\./,
    );
  const less = { version: 2, additionalVersions: [{ version: 1, percent: 1 }] };
  assert.equal((await ask("PUT", "/both", less)).status, 200, "its calls are there already");
  assert.equal((await ask("PUT", "/both", { version: 2 })).status, 200);
});

test("a level that there is none of is told at once", async () => {
  assertProblem(await deploy("guarded", { minIsolation: "L9" }), 400, "MERIDIAN_MANIFEST_INVALID");
});

test("an operator sees each cluster's report, and a tenant does not", async () => {
  const answer = await call(zone, federation.keys.operator, "GET", "/v1/isolation");
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, {
    items: [
      { clusterId: "eu-west-1", zone: "eu-west", report: null },
      { clusterId: "us-east-1", zone: "us-east", report: null },
      { clusterId: "ap-south-1", zone: "ap-south", report: null },
    ],
    silentZones: ["ap-south"],
  });
  assertProblem(
    await call(zone, federation.keys.demo, "GET", "/v1/isolation"),
    403,
    "MERIDIAN_FORBIDDEN",
  );
});

test("status shows a tenant the level of each cluster, and not what it was seen by", async () => {
  await proved({ "eu-west-1": "L2", "ap-south-1": "L1" });
  for (;;) {
    const { body } = await call(zone, federation.keys.demo, "GET", "/v1/status");
    const zones = body["zones"] as {
      zone: string;
      isolation?: unknown;
      cluster: { isolationLevel?: string } | null;
    }[];
    assert.ok(zones.every(({ isolation }) => isolation === undefined));
    // Its own federator is silent: what the catalog says of its cluster is all that is known.
    if (zones.find((one) => one.zone === "ap-south")?.cluster?.isolationLevel === "L1") return;
  }
});
