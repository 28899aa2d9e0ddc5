import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { VerdictRecord } from "#lib/contracts/control-records.ts";
import { holdTransactions } from "./support/hold-transactions.ts";
import { call, startZones, type TestFederation, type TestZone, ZONES } from "./zones.ts";

let federation: TestFederation;
let zone: TestZone;
let operator: string;
before(async () => {
  federation = await startZones(["eu-west", "us-east"]);
  const [first] = federation.zones;
  assert.ok(first !== undefined);
  zone = first;
  operator = federation.keys.operator;
});
after(() => federation.stop());
beforeEach(async () => {
  const operations = ZONES.flatMap(({ clusterId }) => {
    const verdict: VerdictRecord = {
      clusterId,
      state: "up",
      cause: "first-seen",
      evidence: ["eu-west"],
      decidedBy: "eu-west",
      decidedAtMs: 1,
      flaps: 0,
    };
    return [
      { kind: "put", key: keys.verdict(clusterId), value: JSON.stringify(verdict) } as const,
      { kind: "delete", key: keys.cluster(clusterId) } as const,
    ];
  });
  await federation.catalog.txn({ compares: [], operations });
});

test("a drained cluster is so for every zone, with its reason, and in the audit", async () => {
  const drained = await call(zone, operator, "POST", "/v1/clusters/us-east-1:drain", {
    reason: "new kernel",
  });
  assert.equal(drained.status, 200, JSON.stringify(drained.body));
  assert.equal(drained.body.mode, "draining");
  for (const other of federation.zones) {
    const seen = await call(other, operator, "GET", "/v1/clusters/us-east-1");
    assert.equal(seen.body.mode, "draining");
    assert.equal(seen.body.modeReason, "new kernel");
  }
  const audit = await call(zone, operator, "GET", "/v1/audit?limit=5");
  assert.match(JSON.stringify(audit.body), /"action":"clusters\.drain"/);
});

test("two operators do not drain the last two clusters at the same moment", async () => {
  await call(zone, operator, "POST", "/v1/clusters/ap-south-1:drain", {});
  const answers = await Promise.all(
    federation.zones.map((one, index) =>
      call(one, operator, "POST", `/v1/clusters/${ZONES[index]?.clusterId}:drain`, {}),
    ),
  );
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((one, other) => one - other),
    [200, 409],
  );
  assert.match(JSON.stringify(answers), /MERIDIAN_LAST_CLUSTER/);
});

interface Refusal {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
}
const shift = { fromCluster: "eu-west-1", percent: 10, minutes: 1, reason: "" };
const refusals: readonly Refusal[] = [
  { name: "an unknown cluster", method: "GET", path: "/v1/clusters/nowhere", status: 404 },
  {
    name: "draining it",
    method: "POST",
    path: "/v1/clusters/nowhere:drain",
    body: {},
    status: 404,
  },
  {
    name: "an unknown verb",
    method: "POST",
    path: "/v1/clusters/eu-west-1:burn",
    body: {},
    status: 404,
  },
  {
    name: "a reason that is too long",
    method: "POST",
    path: "/v1/clusters/eu-west-1:drain",
    body: { reason: "x".repeat(513) },
    status: 400,
  },
  {
    name: "an unknown member",
    method: "POST",
    path: "/v1/clusters/eu-west-1:drain",
    body: { resaon: "x" },
    status: 400,
  },
  {
    name: "a shift of 0 %",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, percent: 0 },
    status: 400,
  },
  {
    name: "of 101 %",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, percent: 101 },
    status: 400,
  },
  {
    name: "of half a percent",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, percent: 0.5 },
    status: 400,
  },
  {
    name: "for no time",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, minutes: 0 },
    status: 400,
  },
  {
    name: "for more than a day",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, minutes: 1_441 },
    status: 400,
  },
  {
    name: "from nowhere",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, fromCluster: "nowhere" },
    status: 404,
  },
  {
    name: "to nowhere",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, toCluster: "nowhere" },
    status: 404,
  },
  {
    name: "onto itself",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, toCluster: "eu-west-1" },
    status: 400,
  },
  {
    name: "without a reason",
    method: "POST",
    path: "/v1/shifts",
    body: { ...shift, reason: undefined },
    status: 400,
  },
  {
    name: "a shift that is not there",
    method: "DELETE",
    path: "/v1/shifts/sh-00000000",
    status: 404,
  },
];
for (const { name, method, path, body, status } of refusals)
  test(`refused: ${name}`, async () => {
    const answer = await call(zone, operator, method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(String(answer.body.code), /^MERIDIAN_/);
  });

test("clusters are changed and calls are shifted by operators alone", async () => {
  for (const [method, path, body] of [
    ["POST", "/v1/clusters/eu-west-1:drain", {}],
    ["POST", "/v1/shifts", shift],
    ["GET", "/v1/shifts", undefined],
    ["DELETE", "/v1/shifts/sh-00000000", undefined],
  ] as const) {
    const answer = await call(zone, federation.keys.demo, method, path, body);
    assert.equal(answer.status, 403, path);
  }
});

test("a shift is listed until it is removed, and moves no more than all of a cluster's calls", async () => {
  const added = await call(zone, operator, "POST", "/v1/shifts", { ...shift, percent: 70 });
  assert.equal(added.status, 201, JSON.stringify(added.body));
  const more = await call(zone, operator, "POST", "/v1/shifts", { ...shift, percent: 31 });
  assert.equal(more.status, 409);
  const listed = await call(zone, operator, "GET", "/v1/shifts");
  assert.deepEqual(listed.body.items, [added.body]);
  const path = `/v1/shifts/${String(added.body.id)}`;
  assert.equal((await call(zone, operator, "DELETE", path)).status, 204);
  assert.equal((await call(zone, operator, "DELETE", path)).status, 404, "twice");
});

test("shifts that arrive in several zones at once move no more than all of a cluster's calls", async () => {
  holdTransactions(federation.catalog, 9);
  const answers = await Promise.all(
    Array.from({ length: 9 }, async (_, index) => {
      const entered = federation.zones[index % federation.zones.length] ?? zone;
      return call(entered, operator, "POST", "/v1/shifts", { ...shift, percent: 60 });
    }),
  );
  const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
  assert.deepEqual(statuses, [201, ...Array.from({ length: 8 }, () => 409)]);
  const { items } = (await call(zone, operator, "GET", "/v1/shifts")).body as { items: object[] };
  assert.equal(items.length, 1);
});
