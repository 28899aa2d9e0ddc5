import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readErrorPayload } from "../../../agents/drivers/frames.ts";

test("whatever an instance sends as an error becomes one of bounded size", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc.string(),
      ),
      (sent) => {
        const error = readErrorPayload(Buffer.from(sent));
        assert.equal(typeof error.errorMessage, "string");
        assert.equal(typeof error.errorType, "string");
      },
    ),
  );
  const long = {
    errorMessage: "m".repeat(1e6),
    errorType: "t".repeat(1e6),
    stackTrace: Array(200).fill("s".repeat(1e4)),
  };
  assert.ok(JSON.stringify(readErrorPayload(Buffer.from(JSON.stringify(long)))).length < 500_000);
});
