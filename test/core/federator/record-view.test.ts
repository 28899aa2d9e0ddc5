import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import { judgeRemovals } from "../../../federator/core/replica/diff-snapshot.ts";
import { recordView } from "../../../federator/core/record-view.ts";

const record = (key: string, modRevision = 1): CatalogRecord => ({
  key,
  value: "{}",
  createRevision: 1,
  modRevision,
  leaseId: null,
});
const anyKey = fc.constantFrom("a/1", "a/10", "a/2", "ab", "b", "b/1", "c");
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  anyKey.map((key) => ({ kind: "put" as const, record: record(key) })),
  anyKey.map((key) => ({ kind: "delete" as const, key })),
);

test("the view is always what a plain map of all changes would be, in key order", () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyChange, { maxLength: 8 })), (revisions) => {
      const view = recordView([record("a/2"), record("b")]);
      const model = new Map([
        ["a/2", record("a/2")],
        ["b", record("b")],
      ]);
      for (const changes of revisions) {
        view.apply(changes);
        for (const change of changes) {
          if (change.kind === "put") model.set(change.record.key, change.record);
          else model.delete(change.key);
        }
        const keys = [...model.keys()].toSorted();
        assert.deepEqual(view.keys(), keys);
        assert.deepEqual(
          view.list("a/").map(({ key }) => key),
          keys.filter((key) => key.startsWith("a/")),
        );
        assert.deepEqual(view.get("b"), model.get("b"));
      }
    }),
  );
});

test("many new keys at once end in order too", () => {
  const view = recordView([record("k500")]);
  const names = Array.from({ length: 1_000 }, (_, index) => `k${index}`);
  view.apply(names.toReversed().map((name) => ({ kind: "put", record: record(name) })));
  assert.deepEqual(view.keys(), names.toSorted());
});

const removals: readonly { held: number; removed: number; isSuspicious: boolean }[] = [
  { held: 100, removed: 20, isSuspicious: false },
  { held: 100, removed: 21, isSuspicious: true },
  { held: 3_000, removed: 30, isSuspicious: false },
  { held: 3_000, removed: 31, isSuspicious: true },
  { held: 21, removed: 21, isSuspicious: true },
];
for (const { held, removed, isSuspicious } of removals) {
  test(`a snapshot without ${removed} of ${held} functions ${isSuspicious ? "waits" : "is taken"}`, () => {
    const judged = judgeRemovals(held, removed);
    assert.deepEqual(judged, { held, removed, isSuspicious });
  });
}
