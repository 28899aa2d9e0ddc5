import assert from "node:assert/strict";
import { test } from "node:test";
import type { Catalog, CatalogRecord, RangeQuery } from "#lib/ports/catalog.ts";
import { commit, failsWith, type OpenCatalog, put, readAll, remove } from "./support.ts";

export function rangeCases(open: OpenCatalog): void {
  test("a range holds the records of its prefix in key order", async (t) => {
    const catalog = await open(t);
    await commit(catalog, put("b/2"), put("a/1"), put("b/10"), put("b"), put("b0"), put("b/~"));
    assert.deepEqual(keysOf(await readAll(catalog, "b/")), ["b/10", "b/2", "b/~"]);
    assert.deepEqual(keysOf(await readAll(catalog, "b/1")), ["b/10"]);
    assert.deepEqual(keysOf(await readAll(catalog, "c")), []);
    assert.equal((await readAll(catalog, "")).length, 6);
  });

  test("an empty catalog answers with its incarnation and a revision", async (t) => {
    const catalog = await open(t);
    const page = await catalog.range({ prefix: "" });
    assert.equal(page.kind, "page");
    assert.deepEqual([page.records, page.more], [[], false]);
    assert.ok(Number.isSafeInteger(page.revision) && page.revision >= 0);
    assert.notEqual(page.incarnation, "");
  });

  test("pages pinned at a revision show that revision while writing goes on", async (t) => {
    const catalog = await open(t);
    const keys = Array.from({ length: 25 }, (_, index) => `k/${String(index).padStart(2, "0")}`);
    const pinned = await commit(catalog, ...keys.map((key) => put(key, "old")));
    const seen: CatalogRecord[] = [];
    let more = true;
    while (more) {
      const afterKey = seen.at(-1)?.key;
      const query: RangeQuery = { prefix: "k/", atRevision: pinned, limit: 10 };
      const page = await catalog.range(afterKey === undefined ? query : { ...query, afterKey });
      assert.equal(page.kind, "page");
      assert.equal(page.revision, pinned);
      seen.push(...page.records);
      more = page.more;
      await commit(catalog, put("k/00", "new"), put("k/24", "new"), remove("k/12"), put("k/05a"));
    }
    assert.deepEqual(keysOf(seen), keys);
    assert.ok(seen.every(({ value, modRevision }) => value === "old" && modRevision === pinned));
  });

  test("`more` is told exactly at the end of a full page", async (t) => {
    const catalog = await open(t);
    await commit(catalog, put("k/1"), put("k/2"), put("k/3"));
    const moreOf = async (limit: number, afterKey?: string) => {
      const query = { prefix: "k/", limit };
      const page = await catalog.range(afterKey === undefined ? query : { ...query, afterKey });
      return page.kind === "page" ? [keysOf(page.records).join(), page.more] : page.kind;
    };
    assert.deepEqual(await moreOf(2), ["k/1,k/2", true]);
    assert.deepEqual(await moreOf(3), ["k/1,k/2,k/3", false]);
    assert.deepEqual(await moreOf(2, "k/2"), ["k/3", false]);
    assert.deepEqual(await moreOf(2, "k/3"), ["", false]);
    assert.deepEqual(await moreOf(2, "a"), ["k/1,k/2", true], "a start before the prefix");
    assert.deepEqual(await moreOf(2, "z"), ["", false], "a start behind the prefix");
  });

  test("many large records come in several pages, none lost", async (t) => {
    const catalog = await open(t);
    const value = "v".repeat(64_000);
    for (let group = 0; group < 8; group++)
      await commit(
        catalog,
        ...Array.from({ length: 15 }, (_, index) => put(`k/${group}${index}`, value)),
      );
    const keys: string[] = [];
    let pages = 0;
    for (let more = true; more; pages++) {
      const page = await catalog.range({ prefix: "k/", afterKey: keys.at(-1) ?? "" });
      assert.equal(page.kind, "page");
      keys.push(...keysOf(page.records));
      more = page.more;
    }
    assert.equal(new Set(keys).size, 120);
    assert.equal(keys.length, 120);
    assert.ok(pages > 1);
  });

  test("history before a compaction is compacted; the compacted revision itself and all records stay", async (t) => {
    const catalog = await open(t);
    const first = await commit(catalog, put("kept", "1"), put("changed", "1"), put("gone", "1"));
    const second = await commit(catalog, put("changed", "2"), remove("gone"));
    const third = await commit(catalog, put("changed", "3"));
    await catalog.compact(second);
    assert.deepEqual(await catalog.range({ prefix: "", atRevision: first }), {
      kind: "compacted",
      compactRevision: second,
    });
    const valuesAt = async (revision: number) =>
      (await readAll(catalog, "", revision)).map(({ key, value }) => `${key}=${value}`);
    assert.deepEqual(await valuesAt(second), ["changed=2", "kept=1"]);
    assert.deepEqual(await valuesAt(third), ["changed=3", "kept=1"]);
    await catalog.compact(first);
    assert.deepEqual(await valuesAt(second), ["changed=2", "kept=1"], "compacting less is nothing");
    await catalog.compact(third);
    const fourth = await commit(catalog, put("gone", "again"));
    const again = await readAll(catalog, "gone");
    assert.equal(again[0]?.createRevision, fourth);
  });

  test("what does not exist yet cannot be read or compacted", async (t) => {
    const catalog = await open(t);
    const revision = await commit(catalog, put("k"));
    const isRefused = failsWith("MERIDIAN_BAD_REQUEST");
    await assert.rejects(catalog.range({ prefix: "", atRevision: revision + 1 }), isRefused);
    await assert.rejects(catalog.compact(revision + 1), isRefused);
  });

  test("a range outside the limits is refused as a bad request", async (t) => {
    const catalog = await open(t);
    const queries: readonly RangeQuery[] = [
      { prefix: "", limit: 0 },
      { prefix: "", limit: 2_001 },
      { prefix: "", limit: 1.5 },
      { prefix: "ä" },
      { prefix: "k".repeat(513) },
      { prefix: "", afterKey: "ä" },
      { prefix: "", atRevision: -1 },
    ];
    for (const query of queries)
      await assert.rejects(
        catalog.range(query),
        failsWith("MERIDIAN_BAD_REQUEST"),
        JSON.stringify(query),
      );
    assert.equal((await catalog.range({ prefix: "", limit: 2_000 })).kind, "page");
  });

  test("a write that was answered is seen by every later read", async (t) => {
    const catalog = await open(t);
    const writeAndRead = async (key: string): Promise<void> => {
      for (let round = 0; round < 10; round++) {
        const revision = await commit(catalog, put(key, String(round)));
        assert.equal(await valueOf(catalog, key), String(round));
        const page = await catalog.range({ prefix: key });
        assert.ok(page.kind === "page" && page.revision >= revision);
      }
    };
    await Promise.all(["a", "b", "c", "d"].map(writeAndRead));
  });
}

const keysOf = (records: readonly CatalogRecord[]): string[] => records.map(({ key }) => key);

const valueOf = async (catalog: Catalog, key: string): Promise<string | undefined> =>
  (await readAll(catalog, key))[0]?.value;
