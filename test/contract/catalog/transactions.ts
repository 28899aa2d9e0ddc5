import assert from "node:assert/strict";
import { test } from "node:test";
import type { Compare, Transaction } from "#lib/ports/catalog.ts";
import {
  commit,
  failsWith,
  newestRevision,
  type OpenCatalog,
  put,
  read,
  readAll,
  remove,
} from "./support.ts";

export function transactionCases(open: OpenCatalog): void {
  test("a record is created once: the second creation conflicts and changes nothing", async (t) => {
    const catalog = await open(t);
    const first = await catalog.txn(creation("first"));
    const second = await catalog.txn(creation("second"));
    assert.equal(first.kind, "committed");
    assert.deepEqual(second, {
      kind: "conflict",
      revision: Math.max(first.revision, second.revision),
      failedKey: "a/1",
    });
    assert.deepEqual(
      (await readAll(catalog, "a/")).map(({ value }) => value),
      ["first", "first"],
    );
  });

  test("each comparison holds exactly when it should, and the first that fails is named", async (t) => {
    const catalog = await open(t);
    const created = await commit(catalog, put("k", "1"));
    const changed = await commit(catalog, put("k", "2"));
    const cases: readonly (readonly [Compare, boolean])[] = [
      [{ kind: "absent", key: "none" }, true],
      [{ kind: "absent", key: "k" }, false],
      [{ kind: "present", key: "k" }, true],
      [{ kind: "present", key: "none" }, false],
      [{ kind: "modified-at", key: "k", revision: changed }, true],
      [{ kind: "modified-at", key: "k", revision: created }, false],
      [{ kind: "modified-at", key: "none", revision: changed }, false],
      [{ kind: "created-at", key: "k", revision: created }, true],
      [{ kind: "created-at", key: "k", revision: changed }, false],
      [{ kind: "created-at", key: "none", revision: created }, false],
    ];
    for (const [compare, holds] of cases) {
      const compares: readonly Compare[] = [
        { kind: "present", key: "k" },
        compare,
        { kind: "absent", key: "k" },
      ];
      const result = await catalog.txn({ compares, operations: [put("never", "")] });
      assert.deepEqual(
        result,
        {
          kind: "conflict",
          revision: Math.max(changed, result.revision),
          failedKey: holds ? "k" : compare.key,
        },
        JSON.stringify(compare),
      );
    }
    assert.equal(await read(catalog, "never"), undefined);
  });

  test("of many writers that compare with the same revision exactly one wins", async (t) => {
    const catalog = await open(t);
    const revision = await commit(catalog, put("k", "start"));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        catalog.txn({
          compares: [{ kind: "modified-at", key: "k", revision }],
          operations: [put("k", String(index))],
        }),
      ),
    );
    const winners = results.flatMap(({ kind }, index) => (kind === "committed" ? [index] : []));
    assert.equal(winners.length, 1);
    assert.equal((await read(catalog, "k"))?.value, String(winners[0]));
  });

  test("a fenced write fails once the record it leans on was created anew", async (t) => {
    const catalog = await open(t);
    const term = await commit(catalog, put("leader", "one"));
    const fenced = (): Transaction => ({
      compares: [{ kind: "created-at", key: "leader", revision: term }],
      operations: [put("plan", "")],
    });
    await commit(catalog, put("leader", "one, still"));
    assert.equal((await catalog.txn(fenced())).kind, "committed");
    await commit(catalog, remove("leader"));
    assert.equal((await catalog.txn(fenced())).kind, "conflict");
    await commit(catalog, put("leader", "two"));
    assert.equal((await catalog.txn(fenced())).kind, "conflict");
  });

  test("all operations of a transaction have its revision, and the next one has a later one", async (t) => {
    const catalog = await open(t);
    const first = await commit(catalog, put("b", "1"), put("a", "1"), put("c", "1"));
    const second = await commit(catalog, put("b", "2"), remove("c"));
    assert.ok(second > first);
    assert.deepEqual(await readAll(catalog, ""), [
      { key: "a", value: "1", createRevision: first, modRevision: first, leaseId: null },
      { key: "b", value: "2", createRevision: first, modRevision: second, leaseId: null },
    ]);
  });

  test("what is deleted and made again has a new create revision", async (t) => {
    const catalog = await open(t);
    const before = await commit(catalog, put("k", "old"));
    await commit(catalog, remove("k"));
    assert.equal(await read(catalog, "k"), undefined);
    const after = await commit(catalog, put("k", "new"));
    const record = await read(catalog, "k");
    assert.deepEqual([record?.createRevision, record?.modRevision], [after, after]);
    assert.ok(after > before);
  });

  test("a transaction that changes nothing makes no revision", async (t) => {
    const catalog = await open(t);
    const revision = await commit(catalog, put("k"));
    assert.equal(await commit(catalog, remove("none")), revision);
    assert.equal(await commit(catalog), revision);
    assert.ok((await commit(catalog, put("k"))) > revision, "writing the same value does");
  });

  const refused: readonly (readonly [name: string, transaction: Transaction])[] = [
    ["two operations on one key", { compares: [], operations: [put("k", "1"), remove("k")] }],
    ["an empty key", { compares: [], operations: [put("")] }],
    ["a key with a space", { compares: [], operations: [put("a b")] }],
    ["a key beyond ASCII", { compares: [], operations: [put("schlüssel")] }],
    ["a key of 513 characters", { compares: [], operations: [put("k".repeat(513))] }],
    ["a value over 64 KiB", { compares: [], operations: [put("k", "é".repeat(32_769))] }],
    ["half a surrogate pair", { compares: [], operations: [put("k", "\ud800")] }],
    [
      "101 operations",
      { compares: [], operations: Array.from({ length: 101 }, (_, index) => put(`k${index}`)) },
    ],
    ["128 comparisons", { compares: manyAbsent(128), operations: [] }],
    [
      "a comparison with an empty key",
      { compares: [{ kind: "present", key: "" }], operations: [put("k")] },
    ],
    [
      "a comparison with what is no revision",
      { compares: [{ kind: "modified-at", key: "k", revision: -1 }], operations: [put("k")] },
    ],
    [
      "a comparison with half a revision",
      { compares: [{ kind: "created-at", key: "k", revision: 1.5 }], operations: [put("k")] },
    ],
    [
      "a comparison with a revision beyond counting",
      { compares: [{ kind: "created-at", key: "k", revision: 2 ** 60 }], operations: [put("k")] },
    ],
    [
      "more than 1 MB",
      {
        compares: [],
        operations: Array.from({ length: 16 }, (_, index) => put(`k${index}`, "v".repeat(65_536))),
      },
    ],
  ];
  test("a transaction over the limits is refused as a bad request, whole", async (t) => {
    const catalog = await open(t);
    for (const [name, transaction] of refused)
      await assert.rejects(catalog.txn(transaction), failsWith("MERIDIAN_BAD_REQUEST"), name);
    assert.deepEqual(await readAll(catalog, ""), []);
  });

  test("a transaction at the limits is taken, and every character of a value survives", async (t) => {
    const catalog = await open(t);
    const keys = Array.from({ length: 100 }, (_, index) => `${index}-`.padEnd(512, "k"));
    const most = await catalog.txn({
      compares: manyAbsent(127),
      operations: keys.map((key) => put(key, "v".repeat(9_000))),
    });
    assert.equal(most.kind, "committed");
    const value = '\0 \u0001\n"\\é€😀\uffff';
    await commit(catalog, put("characters", value), put("long", "é".repeat(32_768)));
    assert.equal((await readAll(catalog, "")).length, 102);
    assert.equal((await read(catalog, "characters"))?.value, value);
    assert.equal((await read(catalog, "long"))?.value.length, 32_768);
  });

  test("a call whose signal has aborted is not made", async (t) => {
    const catalog = await open(t);
    const given = AbortSignal.abort();
    await assert.rejects(
      catalog.txn({ compares: [], operations: [put("k")] }, given),
      failsWith("MERIDIAN_CATALOG_UNAVAILABLE"),
    );
    await assert.rejects(
      catalog.range({ prefix: "" }, given),
      failsWith("MERIDIAN_CATALOG_UNAVAILABLE"),
    );
    assert.deepEqual(await readAll(catalog, ""), []);
  });

  test("a closed catalog refuses every call and breaks its watches off", async (t) => {
    const catalog = await open(t);
    const afterRevision = await newestRevision(catalog);
    const watch = catalog.watch({ prefix: "", afterRevision }, new AbortController().signal);
    const events = watch[Symbol.asyncIterator]();
    assert.equal((await events.next()).value?.kind, "progress");
    const broken = assert.rejects(events.next(), failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
    await catalog.close();
    await broken;
    const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
    await assert.rejects(catalog.txn({ compares: [], operations: [put("k")] }), isUnavailable);
    await assert.rejects(catalog.range({ prefix: "" }), isUnavailable);
    await assert.rejects(catalog.renewLease("any"), isUnavailable);
    await catalog.close();
  });
}

const manyAbsent = (count: number): Compare[] =>
  Array.from({ length: count }, (_, index) => ({ kind: "absent", key: `absent/${index}` }));

const creation = (value: string): Transaction => ({
  compares: [{ kind: "absent", key: "a/1" }],
  operations: [put("a/1", value), put("a/2", value)],
});
