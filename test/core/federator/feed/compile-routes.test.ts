import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Value } from "typebox/value";
import { entryKey, RouteEntry } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import {
  compileEntry,
  ENTRY_PREFIXES,
  entriesTouchedBy,
  fixedEntries,
} from "../../../../federator/core/feed/compile-routes.ts";
import { type RecordView, recordView } from "../../../../federator/core/record-view.ts";
import { typedRecords } from "../../../../federator/io/typed-records.ts";

const GOLDEN = join(import.meta.dirname, "../../../golden/compile-routes");

interface GoldenInput {
  readonly clusters: readonly string[];
  readonly records: Readonly<Record<string, unknown>>;
}
const readInput = (name: string): GoldenInput =>
  JSON.parse(readFileSync(join(GOLDEN, `${name}.in.json`), "utf8")) as GoldenInput;

const toRecords = (records: Readonly<Record<string, unknown>>): CatalogRecord[] =>
  Object.entries(records).map(([key, value]) => ({
    key,
    value: JSON.stringify(value),
    createRevision: 1,
    modRevision: 1,
    leaseId: null,
  }));

/** Everything that the sources name, in the order of the keys. */
const compileView = (view: RecordView, clusters: readonly string[]): readonly RouteEntry[] => {
  const reader = typedRecords(view);
  const keys = new Set(fixedEntries(clusters));
  for (const prefix of ENTRY_PREFIXES)
    for (const record of view.list(prefix))
      for (const key of entriesTouchedBy(record.key, clusters)) keys.add(key);
  return [...keys]
    .toSorted()
    .map((key) => compileEntry(key, reader))
    .filter((entry) => entry !== undefined);
};
const compileAll = (records: readonly CatalogRecord[], clusters: readonly string[]) =>
  compileView(recordView(records), clusters);

const names = readdirSync(GOLDEN)
  .filter((file) => file.endsWith(".in.json"))
  .map((file) => file.slice(0, -".in.json".length));
assert.ok(names.length >= 2, "the golden pairs were found");

for (const name of names) {
  test(`the table of ${name} is the committed one`, () => {
    const { clusters, records } = readInput(name);
    const entries = compileAll(toRecords(records), clusters);
    assert.ok(entries.every((entry) => Value.Check(RouteEntry, entry)));
    const expected: unknown = JSON.parse(readFileSync(join(GOLDEN, `${name}.out.json`), "utf8"));
    assert.deepEqual(JSON.parse(JSON.stringify(entries)), expected);
  });
}

test("the order in which the records came makes no difference", () => {
  const { clusters, records } = readInput("one-function");
  const all = toRecords(records);
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (shuffled) => {
      assert.deepEqual(compileAll(shuffled, clusters), compileAll(all, clusters));
    }),
  );
});

test("compiling only what a change touches ends at the same table as compiling everything", () => {
  const { clusters, records } = readInput("one-function");
  const all = toRecords(records);
  const step = fc.record({ index: fc.nat(all.length - 1), isPut: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const view = recordView([]);
      const reader = typedRecords(view);
      const table = new Map(compileView(view, clusters).map((entry) => [entryKey(entry), entry]));
      for (const { index, isPut } of steps) {
        const record = all[index] as CatalogRecord;
        const change: Change = isPut
          ? { kind: "put", record }
          : { kind: "delete", key: record.key };
        view.apply([change]);
        for (const key of entriesTouchedBy(record.key, clusters)) {
          const entry = compileEntry(key, reader);
          if (entry === undefined) table.delete(key);
          else table.set(key, entry);
        }
      }
      const whole = compileView(view, clusters);
      assert.deepEqual(
        [...table.keys()].toSorted().map((key) => table.get(key)),
        whole,
      );
    }),
  );
});
