import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalJson } from "#lib/table-digest.ts";
import { compiledTable } from "../../../../federator/core/feed/compiled-table.ts";
import { urgentEntries } from "../../../../federator/core/feed/urgent-entries.ts";

const LIMITS = { "requests-per-second": 1, burst: 10, concurrency: 1 };
const at = (revision: number) => ({ incarnation: "one", revision });
const texts = (entries: Readonly<Record<string, object | undefined>>) =>
  new Map(
    Object.entries(entries).map(([key, entry]) => [key, entry && canonicalJson(entry)] as const),
  );
const tenant = (name: string, isSuspended?: true) => ({
  kind: "tenant",
  tenant: name,
  limits: LIMITS,
  isSuspended,
});

/** A table that is held back, changed by the entries from one that anybody may have. */
function urgentOf(before: Parameters<typeof texts>[0], changes: Parameters<typeof texts>[0]) {
  const table = compiledTable();
  table.apply(at(1), texts(before));
  table.hold();
  table.apply(at(2), texts(changes));
  const newest = table.newest();
  assert.ok(newest !== undefined);
  const { entries, removed } = urgentEntries(newest, table.replacedKeys);
  return { entries: entries.map(({ key }) => key), removed };
}

const cluster = { kind: "cluster", clusterId: "c", state: "up", weightPercent: 100 };
const before = { "cluster/c": cluster, "key/a": {}, "key/b": {}, "tenant/t": tenant("t") };

test("clusters are urgent also where they are the same, everything else only where it takes away", () => {
  const changes = {
    "key/a": undefined,
    "key/new": {},
    "tenant/t": tenant("t", true),
    "tenant/u": tenant("u"),
    "function/t/f": {},
    "function/t/gone": undefined,
  };
  assert.deepEqual(urgentOf(before, changes), {
    entries: ["cluster/c", "tenant/t"],
    removed: ["key/a"],
  });
});

test("so much at once that it looks like a mistake waits with the rest, and nothing is vouched for", () => {
  const keys = Array.from({ length: 101 }, (_, index) => `key/${index}`);
  const many = Object.fromEntries(keys.map((key) => [key, {}]));
  const none = Object.fromEntries(keys.map((key) => [key, undefined]));
  const { "key/0": _, ...allButOne } = none;
  assert.equal(urgentOf(many, allButOne).removed?.length, 100);
  assert.deepEqual(urgentOf({ ...before, ...many }, none), {
    entries: ["cluster/c"],
    removed: undefined,
  });
});
