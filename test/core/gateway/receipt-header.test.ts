import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Value } from "typebox/value";
import { RoutingReceipt } from "#lib/contracts/routing-receipt.ts";
import { encodeReceipt, RECEIPT_BYTES_MAX } from "../../../gateway/core/receipt-header.ts";

const receipt: RoutingReceipt = {
  gateway: "eu-west",
  cluster: "us-east-1",
  version: 3,
  attempts: [
    { cluster: "eu-west-1", ms: 1.4, failure: "not-sent", reason: "it was not there" },
    { cluster: "us-east-1", ms: 12 },
  ],
  table: { revision: 41, ageMs: 213 },
  coldStart: false,
  traceId: "a".repeat(32),
};
const failed = (reason: string, cluster = "eu-west-1") => ({
  cluster,
  ms: 1,
  failure: "maybe-executed",
  reason,
});

test("a receipt is said as it is where it is short", () => {
  assert.deepEqual(JSON.parse(encodeReceipt(receipt)), receipt);
});

test("long reasons are shortened, and said to be", () => {
  const attempts = [failed("x".repeat(600)), failed("y".repeat(600)), ...receipt.attempts];
  const text = encodeReceipt({ ...receipt, attempts });
  assert.ok(text.length <= RECEIPT_BYTES_MAX);
  const read = Value.Parse(RoutingReceipt, JSON.parse(text));
  assert.match(read.attempts[0]?.reason ?? "", /^x{9,}…$/);
});

test("names of any length, and many attempts, fit all the same", () => {
  const attempts = Array.from({ length: 12 }, () => failed("…".repeat(200), "c".repeat(63)));
  const text = encodeReceipt({ ...receipt, attempts });
  assert.ok(text.length <= RECEIPT_BYTES_MAX);
  assert.equal(Value.Parse(RoutingReceipt, JSON.parse(text)).attempts.length, 1);
});

test("whatever the reasons, it is a header that anybody may read", () => {
  const reasons = fc.array(fc.string({ unit: "binary", maxLength: 700 }), { maxLength: 4 });
  fc.assert(
    fc.property(reasons, (given) => {
      const text = encodeReceipt({ ...receipt, attempts: given.map((one) => failed(one)) });
      assert.match(text, /^[\x20-\x7e]{1,1024}$/);
      assert.ok(Value.Check(RoutingReceipt, JSON.parse(text)));
    }),
  );
});
