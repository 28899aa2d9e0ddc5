import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ClusterRoute, RouteEntry } from "#lib/contracts/route-table.ts";
import { type RouteTableState, routeTableState } from "#lib/route-table-state.ts";
import {
  addHash,
  digestText,
  encodeEntry,
  entryHash,
  tableDigest,
  type TextEntry,
} from "#lib/table-digest.ts";

const cluster = (clusterId: string, weightPercent = 100): ClusterRoute => ({
  kind: "cluster",
  clusterId,
  state: "up",
  weightPercent,
});
const LIMITS = { "requests-per-second": 1, burst: 10, concurrency: 1 };
const at = (revision: number, incarnation = "one") => ({ incarnation, revision });
const digestOf = (entries: readonly TextEntry[]): string =>
  digestText(entries.reduce((sum, { key, text }) => addHash(sum, entryHash(key, text)), 0n));

const full = (revision: number, entries: readonly RouteEntry[], incarnation = "one") => ({
  kind: "full" as const,
  nonce: 1,
  position: at(revision, incarnation),
  entries: entries.map(encodeEntry),
  digest: tableDigest(entries),
});
const fullOf = (revision: number, entries: readonly TextEntry[]) => ({
  ...full(revision, []),
  entries: [...entries],
  digest: digestOf(entries),
});
const delta = (from: number, to: number, digest: string) => ({
  kind: "delta" as const,
  nonce: 2,
  from: at(from),
  position: at(to),
  upserts: [encodeEntry(cluster("b", 10))],
  removed: ["cluster/a"],
  digest,
});
const after = tableDigest([cluster("b", 10)]);

function holding(...entries: readonly RouteEntry[]): RouteTableState {
  const state = routeTableState();
  assert.equal(state.take(full(5, entries)).kind, "applied");
  return state;
}
const base = () => holding(cluster("a"), cluster("b"));
const empty = () => routeTableState();
const textsOf = (state: RouteTableState) =>
  state.texts().toSorted((one, other) => (one.key < other.key ? -1 : 1));

const wrongKey = { key: "cluster/x", text: encodeEntry(cluster("y")).text };
const noJson = { key: "cluster/x", text: "{" };
const misfit = { key: "cluster/x", text: '{"kind":"cluster","clusterId":"x","state":"sideways"}' };
const cases = [
  { name: "a change that follows", open: base, frame: delta(5, 6, after), outcome: "applied" },
  { name: "a gap", open: base, frame: delta(6, 7, after), outcome: "refused" },
  { name: "a change of nothing", open: empty, frame: delta(5, 6, after), outcome: "refused" },
  { name: "a wrong sum", open: base, frame: delta(5, 6, "0"), outcome: "refused" },
  { name: "a change that leads back", open: base, frame: delta(5, 4, after), outcome: "refused" },
  { name: "a newer whole", open: base, frame: full(9, [cluster("c")]), outcome: "applied" },
  { name: "an older whole", open: base, frame: full(4, [cluster("c")]), outcome: "stale" },
  { name: "another history", open: base, frame: full(1, [], "two"), outcome: "applied" },
  {
    name: "a whole with a wrong sum",
    open: empty,
    frame: { ...full(9, [cluster("c")]), digest: "0" },
    outcome: "refused",
  },
  {
    name: "an entry under another's key",
    open: base,
    frame: fullOf(9, [wrongKey]),
    outcome: "refused",
  },
  { name: "an entry that is no JSON", open: base, frame: fullOf(9, [noJson]), outcome: "refused" },
  {
    name: "an entry that does not fit",
    open: base,
    frame: fullOf(9, [misfit]),
    outcome: "refused",
  },
  {
    name: "an entry that comes twice",
    open: base,
    frame: fullOf(9, [encodeEntry(cluster("c")), encodeEntry(cluster("c"))]),
    outcome: "refused",
  },
] as const;

for (const { name, open, frame, outcome } of cases)
  test(`${name} is ${outcome}, and changes nothing unless it is applied`, () => {
    const state = open();
    const before = { table: state.table(), texts: textsOf(state) };
    assert.equal(state.take(frame).kind, outcome);
    if (outcome !== "applied")
      assert.deepEqual({ table: state.table(), texts: textsOf(state) }, before);
    else assert.equal(state.table()?.digest, frame.digest);
  });

test("changes lead to the same table and digest as the whole", () => {
  const clusters = fc.uniqueArray(
    fc.record({ id: fc.constantFrom("a", "b", "c", "d", "e"), weight: fc.nat(100) }),
    { selector: ({ id }) => id },
  );
  fc.assert(
    fc.property(clusters, clusters, (from, to) => {
      const state = holding(...from.map(({ id, weight }) => cluster(id, weight)));
      const wanted = to.map(({ id, weight }) => cluster(id, weight));
      const keys = new Set(wanted.map(({ clusterId }) => `cluster/${clusterId}`));
      const taken = state.take({
        kind: "delta",
        nonce: 1,
        from: at(5),
        position: at(6),
        upserts: wanted.map(encodeEntry),
        removed: textsOf(state).flatMap(({ key }) => (keys.has(key) ? [] : [key])),
        digest: tableDigest(wanted.toReversed()),
      });
      assert.equal(taken.kind, "applied");
      assert.deepEqual(
        new Set(textsOf(state).map(({ text }) => text)),
        new Set(wanted.map((entry) => encodeEntry(entry).text)),
      );
    }),
  );
});

test("the digest does not depend on the order of members or entries", () => {
  const one: ClusterRoute = { kind: "cluster", clusterId: "a", state: "up", weightPercent: 1 };
  const same: ClusterRoute = { weightPercent: 1, state: "up", clusterId: "a", kind: "cluster" };
  assert.equal(tableDigest([one, cluster("b")]), tableDigest([cluster("b"), same]));
  assert.notEqual(tableDigest([one]), tableDigest([cluster("a", 2)]));
});

test("a table that comes in parts is in force with the last of them, and not before", () => {
  const state = base();
  const parts = [cluster("c"), cluster("d"), cluster("e")];
  const whole = full(9, parts);
  for (const entry of parts.slice(1))
    assert.equal(state.take({ kind: "part", entries: [encodeEntry(entry)] }).kind, "taken");
  assert.equal(state.table()?.position.revision, 5);
  assert.equal(state.take({ ...whole, entries: [encodeEntry(cluster("c"))] }).kind, "applied");
  assert.deepEqual([...(state.table()?.entries.keys() ?? [])].toSorted(), [
    "cluster/c",
    "cluster/d",
    "cluster/e",
  ]);
});

test("parts of a connection that ended are no part of the next table", () => {
  const state = base();
  state.take({ kind: "part", entries: [encodeEntry(cluster("x"))] });
  state.dropParts();
  assert.equal(state.take(full(9, [cluster("c")])).kind, "applied");
  assert.equal(state.table()?.entries.has("cluster/x"), false);
});

test("entries of unknown kinds and unknown members are kept as they came, and counted", () => {
  const state = empty();
  const unknown = { key: "weather/eu", text: '{"kind":"weather","sky":"blue"}' };
  const extended = {
    key: "cluster/a",
    text: `${encodeEntry(cluster("a")).text.slice(0, -1)},"zz":1}`,
  };
  assert.equal(state.take(fullOf(3, [unknown, extended])).kind, "applied");
  assert.equal(state.table()?.entries.get("weather/eu"), undefined);
  assert.equal(state.table()?.entries.size, 2);
  assert.deepEqual([...(state.table()?.entries.values() ?? [])].length, 1);
  assert.deepEqual(
    textsOf(state).map(({ key, text }) => ({ key, text })),
    [extended, unknown],
  );
});

test("what changed is told with what was there before", () => {
  const state = base();
  const taken = state.take(delta(5, 6, after));
  assert.ok(taken.kind === "applied");
  assert.deepEqual(
    taken.changes.map((change) => [change.key, change.before?.key, change.after?.key]),
    [
      ["cluster/a", "cluster/a", undefined],
      ["cluster/b", "cluster/b", "cluster/b"],
    ],
  );
  const same = state.take(full(7, [cluster("b", 10)]));
  assert.deepEqual(same.kind === "applied" && same.changes, []);
});

test("urgent entries are in force at once and until a table of their position, and are in no digest", () => {
  const state = base();
  const digest = state.table()?.digest;
  const urgent = [encodeEntry(cluster("a", 3)), encodeEntry(cluster("b"))];
  state.take({ kind: "urgent", position: at(8), entries: urgent });
  const weight = () => {
    const entry = state.table()?.entries.get("cluster/a");
    return entry?.kind === "cluster" ? entry.weightPercent : undefined;
  };
  assert.equal(weight(), 3);
  assert.equal(state.table()?.digest, digest);
  assert.equal(state.table()?.position.revision, 5);
  state.take(full(7, [cluster("a", 70)]));
  assert.equal(weight(), 3);
  state.take(full(8, [cluster("a", 80)]));
  assert.equal(weight(), 80);
  state.take({ kind: "urgent", position: at(7), entries: urgent });
  assert.equal(weight(), 80);
});

test("of callers, urgent frames only take away: revoked keys and suspended tenants, until a table of their position", () => {
  const tenant = { kind: "tenant" as const, tenant: "t", limits: LIMITS };
  const key = { kind: "key" as const, keyHash: "a".repeat(64), tenant: "t", roles: [] };
  const state = routeTableState();
  state.take(full(5, [cluster("a"), tenant, key]));
  const entries = [
    cluster("a"),
    { ...tenant, isSuspended: true },
    { ...tenant, tenant: "new" },
    { ...key, keyHash: "b".repeat(64) },
  ].map(encodeEntry);
  const removed = [`key/${key.keyHash}`, "cluster/a"];
  assert.equal(state.take({ kind: "urgent", position: at(8), entries, removed }).kind, "applied");
  const names = () =>
    ["cluster/a", "tenant/t", "tenant/new", `key/${key.keyHash}`, `key/${"b".repeat(64)}`].filter(
      (name) => state.table()?.entries.has(name) === true,
    );
  assert.deepEqual(names(), ["cluster/a", "tenant/t"]);
  assert.deepEqual(state.table()?.entries.get("tenant/t"), { ...tenant, isSuspended: true });
  assert.equal(state.table()?.withdrawnPosition?.revision, 8);
  // One that says nothing of callers does not vouch for them.
  state.take({ kind: "urgent", position: at(9), entries: [] });
  assert.equal(state.table()?.withdrawnPosition, undefined);
  state.take(full(9, [cluster("a"), tenant, key]));
  assert.deepEqual(names(), ["cluster/a", "tenant/t", `key/${key.keyHash}`]);
  assert.deepEqual(state.table()?.entries.get("tenant/t"), tenant);
});
