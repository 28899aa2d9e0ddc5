import assert from "node:assert/strict";
import { test } from "node:test";
import { errorObject } from "../../../agents/core/function-error.ts";

const error = { errorMessage: "too far", errorType: "RangeError", stackTrace: ["at index.js:1"] };
const said = { errorMessage: "too far", errorType: "RangeError" };

const cases = [
  { runtime: "node", object: { ...said, trace: ["at index.js:1"] } },
  { runtime: "python", object: { ...said, requestId: "r-1", stackTrace: ["at index.js:1"] } },
  { runtime: "provided", object: { ...said, stackTrace: ["at index.js:1"] } },
] as const;
for (const { runtime, object } of cases)
  test(`an error of ${runtime} is told as AWS Lambda's runtime of it does`, () => {
    assert.deepEqual(errorObject(runtime, "r-1", error), object);
  });

test("what has no stack is told without one", () => {
  assert.deepEqual(errorObject("node", "r-1", said), said);
});
