import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addHash, digestText, entryHash, type TextEntry } from "#lib/table-digest.ts";
import { compiledTable, type TableView } from "../../../../federator/core/feed/compiled-table.ts";

const at = (revision: number) => ({ incarnation: "one", revision });
const sorted = (entries: readonly TextEntry[] = []) =>
  entries.toSorted((one, other) => (one.key < other.key ? -1 : 1));
const digestOf = (entries: readonly TextEntry[]): string =>
  digestText(entries.reduce((sum, { key, text }) => addHash(sum, entryHash(key, text)), 0n));

const step = fc.oneof(
  fc.record({
    kind: fc.constant("apply" as const),
    changes: fc.array(
      fc.tuple(
        fc.constantFrom("function/a", "function/b", "tenant/c", "cluster/d", "plan"),
        fc.option(fc.constantFrom("1", "2", "3"), { nil: undefined }),
      ),
      { maxLength: 4 },
    ),
  }),
  fc.record({ kind: fc.constantFrom("hold" as const, "release" as const) }),
);

test("the newest table is what was applied, the approved one what it was when it was held; both add up", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const table = compiledTable();
      const model = new Map<string, string>();
      let held: readonly TextEntry[] | undefined;
      let heldRevision = 0;
      let revision = 0;
      table.apply(at(0), new Map());
      const current = () => sorted(Array.from(model, ([key, text]) => ({ key, text })));
      const check = (view: TableView | undefined, entries: readonly TextEntry[], its: number) => {
        assert.deepEqual(sorted(view?.entries()), entries);
        assert.equal(view?.digest, digestOf(entries));
        assert.equal(view.size, entries.length);
        assert.equal(view.position.revision, its);
        for (const { key, text } of entries) assert.equal(view.textOf(key), text);
        assert.deepEqual(
          view.urgentEntries(),
          entries.filter(({ key }) => key === "plan" || key.startsWith("cluster/")),
        );
      };
      for (const one of steps) {
        if (one.kind === "apply") {
          revision += 1;
          const changes = new Map(one.changes);
          table.apply(at(revision), changes);
          for (const [key, text] of changes)
            if (text === undefined) model.delete(key);
            else model.set(key, text);
        } else if (one.kind === "release") {
          table.release();
          held = undefined;
        } else if (held === undefined) {
          table.hold();
          held = current();
          heldRevision = revision;
        }
        check(table.newest(), current(), revision);
        check(table.approved(), held ?? current(), held === undefined ? revision : heldRevision);
      }
    }),
  );
});

test("where there was nothing before, nobody may have what is held back", () => {
  const table = compiledTable();
  table.hold();
  table.apply(at(1), new Map([["tenant/a", "{}"]]));
  assert.equal(table.approved(), undefined);
  assert.equal(table.newest()?.size, 1);
  table.release();
  assert.equal(table.approved()?.size, 1);
});
