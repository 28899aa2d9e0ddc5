import assert from "node:assert/strict";
import { test } from "node:test";
import { describeRefusal, judgeRefusal } from "../../../../agents/core/kubernetes/judge-refusal.ts";

const words: readonly [status: number, message: string, said: RegExp][] = [
  [
    403,
    'pods "a" is forbidden: exceeded quota: q, requested: pods=1',
    /^the namespace's quota is used up/,
  ],
  [
    403,
    "unable to create new content in namespace a because it is being terminated",
    /^the namespace is being removed/,
  ],
  [403, 'pod rejected: RuntimeClass "kata" not found', /^the cluster lacks the runtime class/],
  [403, "no PriorityClass with name high was found", /^the cluster lacks the priority class/],
  [403, 'violates PodSecurity "restricted:latest"', /^the namespace's Pod Security refuses it/],
  [400, 'admission webhook "w" denied the request', /^an admission webhook refuses it/],
  [403, 'User "u" cannot patch resource "pods"', /^the agent lacks a permission/],
  [401, "Unauthorized", /^the cluster does not accept the agent's credentials/],
  [404, 'namespaces "a" not found', /^the cluster does not have it/],
  [409, "Apply failed with 1 conflict", /^somebody else owns fields of it/],
  [422, "metadata.name: Invalid value", /^the cluster takes the manifest for invalid/],
  [429, "Too many requests", /^the cluster throttles the agent/],
  [0, "fetch failed", /^the cluster's API does not answer/],
  [502, "Bad gateway", /^the cluster answered 502/],
];
for (const [status, message, said] of words)
  test(`${status} ${message.slice(0, 40)}… is told in words`, () =>
    assert.match(describeRefusal({ status, message }), said));

test("a refusal that may pass is tried again, later each time and no more often than allowed", () => {
  const refusal = { status: 503, message: "no" };
  const waits = [1, 2, 3, 4].map((attempt) => judgeRefusal(refusal, attempt, 4));
  assert.deepEqual(
    waits.map((verdict) => (verdict.kind === "again" ? verdict.afterMs : verdict.kind)),
    [100, 200, 400, "stop"],
  );
});

test("a cluster that throttles says when to come back, within reason", () => {
  const throttled = { status: 429, message: "", retryAfterMs: 1_000 };
  assert.deepEqual(judgeRefusal(throttled, 1, 5), { kind: "again", afterMs: 1_000 });
  const absurd = judgeRefusal({ ...throttled, retryAfterMs: 86_400_000 }, 1, 5);
  assert.deepEqual(absurd, { kind: "again", afterMs: 5_000 });
});

test("what only a change can mend is not tried again", () => {
  for (const status of [400, 401, 403, 404, 409, 422])
    assert.equal(judgeRefusal({ status, message: "" }, 1, 5).kind, "stop");
});
