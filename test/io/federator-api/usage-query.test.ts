import assert from "node:assert/strict";
import { test } from "node:test";
import { readUsageCursor, writeUsageCursor } from "../../../federator/io/api/usage-cursor.ts";
import { readUsageRange } from "../../../federator/io/api/read-usage-range.ts";

const KEY = { startMs: 0, tenant: "demo", functionName: "hello", version: 1, zone: "" };
const cursorOf = (key: unknown): string => Buffer.from(JSON.stringify(key)).toString("base64url");
const MALFORMED = { code: "MERIDIAN_BAD_REQUEST" };

test("a cursor is read as it was written", () => {
  for (const key of [KEY, { ...KEY, functionName: "", version: 0, zone: "eu-west" }])
    assert.deepEqual(readUsageCursor(writeUsageCursor(key)), key);
});

const forged: readonly (readonly [name: string, cursor: string])[] = [
  ["no JSON", "%ff%fe"],
  ["a number", cursorOf(7)],
  ["a time that agents would refuse", cursorOf({ ...KEY, startMs: 8_640_000_000_000_001 })],
  ["a time beyond all numbers", cursorOf({ ...KEY, startMs: 1e300 })],
  ["a version that agents would refuse", cursorOf({ ...KEY, version: 1_000_000_001 })],
  ["a version before the first", cursorOf({ ...KEY, version: -1 })],
  ["a name that is none", cursorOf({ ...KEY, tenant: "__proto__" })],
  ["more than a key", cursorOf({ ...KEY, limit: 1 })],
];
for (const [name, cursor] of forged)
  test(`a cursor of ${name} is refused`, () => {
    assert.throws(() => readUsageCursor(cursor), MALFORMED);
  });

const NOW_MS = Date.UTC(2026, 10, 22, 3, 30);
for (const day of ["2026-02-30", "2026-13-01", "2026-11-31", "1969-12-31", "2026-11-21T25:00Z"])
  test(`${day} is no day or time to ask for`, () => {
    assert.throws(() => readUsageRange(day, undefined, NOW_MS), MALFORMED);
    assert.throws(() => readUsageRange(undefined, day, NOW_MS), MALFORMED);
  });

test("a leap day is a day, and its end the next one's beginning", () => {
  assert.deepEqual(readUsageRange("2024-02-29", "2024-02-29", NOW_MS), {
    fromMs: Date.UTC(2024, 1, 29),
    toMs: Date.UTC(2024, 2, 1),
  });
});
