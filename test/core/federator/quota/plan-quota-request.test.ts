import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_LIMITS, type QuotaCode } from "#lib/contracts/quota-records.ts";
import {
  planQuotaDecision,
  planQuotaRequest,
  type QuotaVerb,
} from "../../../../federator/core/quota/plan-quota-request.ts";

const quota = { tenant: "demo", limits: DEFAULT_LIMITS };
const request = (quotaCode: QuotaCode, desiredValue: number, openId?: string) =>
  planQuotaRequest(
    { id: "qr-12345678", tenant: "demo", quotaCode, desiredValue, reason: "r", actor: "asker" },
    quota,
    openId,
    [],
    1,
  );

const wishes: readonly { code: QuotaCode; value: number; open?: string; kind: string }[] = [
  { code: "requests-per-second", value: 1, kind: "request" },
  { code: "requests-per-second", value: 0, kind: "out-of-bounds" },
  { code: "requests-per-second", value: 1_000, kind: "no-change" },
  { code: "requests-per-second", value: 2_000, open: "qr-00000000", kind: "already-open" },
  { code: "burst", value: 9, kind: "out-of-bounds" },
  { code: "burst", value: 10, kind: "request" },
  { code: "concurrency", value: 100_001, kind: "out-of-bounds" },
  { code: "concurrency", value: 100_000, kind: "request" },
];
for (const { code, value, open, kind } of wishes)
  test(`asking for ${code} = ${value}${open === undefined ? "" : " while one is open"}: ${kind}`, () => {
    assert.equal(request(code, value, open).kind, kind);
  });

const pending = request("burst", 500);
assert.ok(pending.kind === "request");
const decide = (verb: QuotaVerb, actor: string, state = pending.record.state) =>
  planQuotaDecision(
    { value: { ...pending.record, state }, modRevision: 7 },
    { value: quota, modRevision: 3 },
    { verb, actor, reason: null },
    2,
  );

test("an approval changes request and limit in one transaction that fails if either changed", () => {
  const plan = decide("approve", "approver");
  assert.ok(plan.kind === "decide");
  assert.equal(plan.record.state, "APPROVED");
  assert.deepEqual(plan.transaction.compares, [
    { kind: "modified-at", key: "quota-requests/qr-12345678", revision: 7 },
    { kind: "modified-at", key: "quotas/demo", revision: 3 },
  ]);
  const limit = plan.transaction.operations.find(({ key }) => key === "quotas/demo");
  assert.ok(limit?.kind === "put");
  assert.deepEqual(JSON.parse(limit.value).limits, { ...DEFAULT_LIMITS, burst: 500 });
});

test("who asked neither approves nor denies, and may cancel", () => {
  assert.equal(decide("approve", "asker").kind, "own-request");
  assert.equal(decide("deny", "asker").kind, "own-request");
  assert.equal(decide("cancel", "asker").kind, "decide");
});

test("a decided request stays decided", () => {
  for (const verb of ["approve", "deny", "cancel"] as const)
    assert.equal(decide(verb, "approver", "DENIED").kind, "already-decided");
});
