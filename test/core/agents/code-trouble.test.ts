import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import {
  afterFailedFetch,
  type CodeTrouble,
  failureAtOnce,
} from "../../../agents/core/code-trouble.ts";

const cases: readonly { failures: number; code: ErrorCode; waitsMs: number }[] = [
  { failures: 1, code: "MERIDIAN_CODE_UNAVAILABLE", waitsMs: 0 },
  { failures: 2, code: "MERIDIAN_CODE_UNAVAILABLE", waitsMs: 500 },
  { failures: 3, code: "MERIDIAN_CODE_UNAVAILABLE", waitsMs: 1_000 },
  { failures: 8, code: "MERIDIAN_CODE_UNAVAILABLE", waitsMs: 30_000 },
  { failures: 5_000, code: "MERIDIAN_CODE_UNAVAILABLE", waitsMs: 30_000 },
  { failures: 1, code: "MERIDIAN_CODE_INVALID", waitsMs: 30_000 },
];
for (const { failures, code, waitsMs } of cases)
  test(`after ${failures} times ${code} nothing is tried for ${waitsMs} ms`, () => {
    const error = new MeridianError(code, "It is not there.");
    const before: CodeTrouble | undefined =
      failures === 1 ? undefined : { failures: failures - 1, retryAtMs: 0, lastError: error };
    const trouble = afterFailedFetch(before, error, 100);
    assert.deepEqual(trouble, { failures, retryAtMs: 100 + waitsMs, lastError: error });
    assert.equal(failureAtOnce(trouble, 99 + waitsMs), error);
    assert.equal(failureAtOnce(trouble, 100 + waitsMs), undefined);
  });
