import assert from "node:assert/strict";
import { test } from "node:test";
import { readCodeUse } from "../../../../federator/core/code/read-code-use.ts";

const manifest = { placement: { regions: ["eu"] } };
const cases: readonly [string, unknown, object | undefined][] = [
  [
    "a record of a newer version",
    { codeDigest: "sha256:1", manifest: { ...manifest, later: 1 }, version: "v2" },
    { digest: "sha256:1", regions: ["eu"] },
  ],
  ["a record without code", { manifest }, undefined],
  ["a record without a placement", { codeDigest: "sha256:1", manifest: {} }, undefined],
  [
    "regions of another kind",
    { codeDigest: "sha256:1", manifest: { placement: { regions: [1] } } },
    undefined,
  ],
  ["a list", [], undefined],
  ["null", null, undefined],
];
for (const [name, record, expected] of cases)
  test(`${name} is ${expected === undefined ? "unreadable" : "read"}`, () =>
    assert.deepEqual(readCodeUse(JSON.stringify(record)), expected));
test("what is no JSON is unreadable", () => assert.equal(readCodeUse("{"), undefined));
