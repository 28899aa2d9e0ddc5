import assert from "node:assert/strict";
import { test } from "node:test";
import { boundedMemo } from "#lib/bounded-memo.ts";

test("each key is worked out once, until newer ones have taken its place", () => {
  const worked: string[] = [];
  const memo = boundedMemo<string>(2);
  const get = (key: string) =>
    memo.get(key, () => {
      worked.push(key);
      return key.toUpperCase();
    });
  for (const key of ["a", "b", "a", "b", "c", "b", "a"]) assert.equal(get(key), key.toUpperCase());
  assert.deepEqual(worked, ["a", "b", "c", "a"]);
});

test("long keys are not kept, and what fails is worked out again", () => {
  const memo = boundedMemo<number>(10);
  let works = 0;
  const long = "x".repeat(300);
  for (let index = 0; index < 3; index += 1) memo.get(long, () => (works += 1));
  assert.equal(works, 3);
  assert.throws(() => memo.get("k", () => assert.fail("no")));
  assert.equal(
    memo.get("k", () => 7),
    7,
  );
});
