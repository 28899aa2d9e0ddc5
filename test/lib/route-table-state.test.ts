import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ClusterRoute, RouteEntry } from "#lib/contracts/route-table.ts";
import { entryKey } from "#lib/contracts/route-table.ts";
import { applyFrame, type RouteTable } from "#lib/route-table-state.ts";
import { tableDigest } from "#lib/table-digest.ts";

const cluster = (clusterId: string, weightPercent = 100): ClusterRoute => ({
  kind: "cluster",
  clusterId,
  state: "up",
  weightPercent,
});
const at = (revision: number, incarnation = "one") => ({ incarnation, revision });

function table(revision: number, entries: readonly RouteEntry[], incarnation = "one"): RouteTable {
  const applied = applyFrame(undefined, full(revision, entries, incarnation));
  assert.equal(applied.kind, "applied");
  return applied.table;
}
const full = (revision: number, entries: readonly RouteEntry[], incarnation = "one") => ({
  kind: "full" as const,
  nonce: 1,
  position: at(revision, incarnation),
  entries: [...entries],
  digest: tableDigest(entries),
});

const base = table(5, [cluster("a"), cluster("b")]);
const delta = (from: number, to: number, digest: string) => ({
  kind: "delta" as const,
  nonce: 2,
  from: at(from),
  position: at(to),
  upserts: [cluster("b", 10)],
  removed: ["cluster/a"],
  digest,
});
const after = tableDigest([cluster("b", 10)]);

const cases = [
  { name: "a change that follows", current: base, frame: delta(5, 6, after), outcome: "applied" },
  { name: "a gap", current: base, frame: delta(6, 7, after), outcome: "refused" },
  {
    name: "a change of nothing",
    current: undefined,
    frame: delta(5, 6, after),
    outcome: "refused",
  },
  { name: "a wrong sum", current: base, frame: delta(5, 6, "0"), outcome: "refused" },
  {
    name: "a change that leads back",
    current: base,
    frame: delta(5, 4, after),
    outcome: "refused",
  },
  { name: "a newer whole", current: base, frame: full(9, [cluster("c")]), outcome: "applied" },
  { name: "an older whole", current: base, frame: full(4, [cluster("c")]), outcome: "stale" },
  { name: "another history", current: base, frame: full(1, [], "two"), outcome: "applied" },
  {
    name: "a whole with a wrong sum",
    current: undefined,
    frame: { ...full(9, [cluster("c")]), digest: "0" },
    outcome: "refused",
  },
] as const;

for (const { name, current, frame, outcome } of cases)
  test(`${name} is ${outcome}`, () => {
    const before = current === undefined ? undefined : tableDigest(current.entries.values());
    assert.equal(applyFrame(current, frame).kind, outcome);
    if (current !== undefined) assert.equal(tableDigest(current.entries.values()), before);
  });

test("changes lead to the same table and digest as the whole", () => {
  const clusters = fc.uniqueArray(
    fc.record({ id: fc.constantFrom("a", "b", "c", "d", "e"), weight: fc.nat(100) }),
    { selector: ({ id }) => id },
  );
  fc.assert(
    fc.property(clusters, clusters, (from, to) => {
      const current = table(
        1,
        from.map(({ id, weight }) => cluster(id, weight)),
      );
      const wanted = to.map(({ id, weight }) => cluster(id, weight));
      const keys = new Set(wanted.map(entryKey));
      const applied = applyFrame(current, {
        kind: "delta",
        nonce: 1,
        from: at(1),
        position: at(2),
        upserts: wanted,
        removed: [...current.entries.keys()].filter((key) => !keys.has(key)),
        digest: tableDigest(wanted.toReversed()),
      });
      assert.equal(applied.kind, "applied");
    }),
  );
});

test("the digest does not depend on the order of members or entries", () => {
  const one: ClusterRoute = { kind: "cluster", clusterId: "a", state: "up", weightPercent: 1 };
  const same: ClusterRoute = { weightPercent: 1, state: "up", clusterId: "a", kind: "cluster" };
  assert.equal(tableDigest([one, cluster("b")]), tableDigest([cluster("b"), same]));
  assert.notEqual(tableDigest([one]), tableDigest([cluster("a", 2)]));
});
