import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import type { ReplicaStore } from "../../federator/io/replica/replica-store.ts";

/** A disk of its own for each call; `reopen` opens a disk that a store was closed on, or left behind by a crash. */
export interface ReplicaDisk {
  readonly open: () => Promise<ReplicaStore>;
  readonly remove: () => Promise<void>;
}

const record = (key: string, modRevision: number, value = "1"): CatalogRecord => ({
  key,
  value,
  createRevision: Math.min(modRevision, 1),
  modRevision,
  leaseId: null,
});
const put = (one: CatalogRecord): Change => ({ kind: "put", record: one });
const at = (revision: number, incarnation = "one") => ({ incarnation, revision });
const keysIn = (store: ReplicaStore, prefix = ""): string[] =>
  store.reads.page(prefix, "", 100).map(({ key }) => key);

/** What every replica store promises. */
export function replicaStoreContract(name: string, newDisk: () => Promise<ReplicaDisk>): void {
  const withDisk = async (work: (disk: ReplicaDisk) => Promise<void>): Promise<void> => {
    const disk = await newDisk();
    try {
      await work(disk);
    } finally {
      await disk.remove();
    }
  };
  const withStore = (work: (store: ReplicaStore) => Promise<void>): Promise<void> =>
    withDisk(async (disk) => {
      const store = await disk.open();
      try {
        await work(store);
      } finally {
        await store.close();
      }
    });

  test(`${name}: records, position and digests are there again after a restart`, () =>
    withDisk(async (disk) => {
      const store = await disk.open();
      assert.equal(store.state().position, undefined);
      await store.run("nameFederation", "f".repeat(32));
      await store.run("apply", at(7), [put(record("b", 7)), put(record("a", 7))]);
      await store.run("apply", at(8), [{ kind: "delete", key: "b" }]);
      const before = store.state();
      await store.close();
      const again = await disk.open();
      assert.deepEqual(again.state(), before);
      assert.deepEqual(again.state().position, at(8));
      assert.equal(again.state().federationId, "f".repeat(32));
      assert.deepEqual(keysIn(again), ["a"]);
      await again.close();
    }));

  test(`${name}: reads show what the state describes, and nothing of a step before its answer`, () =>
    withStore(async (store) => {
      await store.run("apply", at(1), [put(record("a", 1))]);
      const applying = store.run("apply", at(2), [put(record("a", 2, "new")), put(record("b", 2))]);
      while (store.state().position?.revision === 1) {
        assert.equal(store.reads.get("a")?.value, "1");
        assert.equal(store.reads.count(""), 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(store.reads.get("a")?.value, "new");
      await applying;
      assert.deepEqual(keysIn(store), ["a", "b"]);
    }));

  test(`${name}: pages and counts are those of the prefix, in order`, () =>
    withStore(async (store) => {
      const keys = ["a", "b/1", "b/10", "b/2", "b0", "c"];
      await store.run("apply", at(1), keys.map((key) => put(record(key, 1))).toReversed());
      assert.deepEqual(keysIn(store, "b/"), ["b/1", "b/10", "b/2"]);
      assert.equal(store.reads.count("b/"), 3);
      assert.equal(store.reads.count("nothing/"), 0);
      const page = store.reads.page("b/", "b/1", 1);
      assert.deepEqual(
        page.map(({ key }) => key),
        ["b/10"],
      );
      assert.deepEqual(store.reads.page("b/", "b/2", 5), []);
    }));

  test(`${name}: an abandoned snapshot, and one that a crash ended, change nothing`, () =>
    withDisk(async (disk) => {
      const store = await disk.open();
      await store.run("apply", at(3), [put(record("a", 1)), put(record("b", 3))]);
      const before = store.state();
      for (const end of ["abandon", "crash"] as const) {
        await store.run("beginSnapshot", false);
        await store.run("addPage", { records: [record("c", 5)], isLast: true });
        assert.deepEqual(keysIn(store), ["a", "b"]);
        if (end === "abandon") await store.run("abandonSnapshot");
      }
      await store.close();
      const again = await disk.open();
      assert.deepEqual(again.state(), before);
      assert.deepEqual(keysIn(again), ["a", "b"]);
      await again.close();
    }));

  test(`${name}: what a restored catalog lost is kept and shown, and what was deleted before is not`, () =>
    withStore(async (store) => {
      await store.run("apply", at(9), [
        put(record("functions/t/deleted", 2)),
        put(record("leader", 9)),
        put(record("functions/t/common", 5)),
        put(record("functions/t/lost", 8)),
        put(record("functions/t/older", 7, "ours")),
      ]);
      await store.run("beginSnapshot", true);
      await store.run("addPage", {
        records: [record("functions/t/common", 5), record("functions/t/older", 4, "theirs")],
        isLast: true,
      });
      const sum = await store.run("sumUp");
      assert.equal(sum.newlyStranded, 2);
      assert.equal(sum.removedFunctions, 1);
      await store.run("commitSnapshot", at(1_000, "two"));

      assert.deepEqual(keysIn(store), [
        "functions/t/common",
        "functions/t/lost",
        "functions/t/older",
      ]);
      assert.equal(store.reads.get("functions/t/older")?.value, "ours");
      assert.equal(store.reads.copyOf("functions/t/older")?.value, "theirs");
      assert.equal(store.reads.count("functions/"), 3);
      assert.equal(store.state().stranded.served, 2);

      await store.run("apply", at(1_001, "two"), [
        put(record("functions/t/lost", 1_001, "1")),
        put(record("functions/t/older", 1_001, "newer")),
      ]);
      const { served, superseded } = store.state().stranded;
      assert.deepEqual({ served, superseded }, { served: 0, superseded: 1 });
      assert.equal(store.reads.get("functions/t/older")?.value, "newer");
      assert.equal(store.reads.strandedPage("", "", 9)[0]?.value, "ours");
      await store.run("dropStranded");
      assert.equal(store.state().stranded.superseded, 0);
    }));

  test(`${name}: a snapshot of the same history that shows something older is contradicted`, () =>
    withStore(async (store) => {
      await store.run("apply", at(9), [put(record("a", 9))]);
      await store.run("beginSnapshot", false);
      const page = { records: [record("a", 8)], isLast: true };
      assert.equal(await store.run("addPage", page), "contradicted");
      await store.run("beginSnapshot", true);
      assert.equal(await store.run("addPage", page), "added");
      await store.run("abandonSnapshot");
    }));

  test(`${name}: digests depend on the records alone, whatever way led to them`, () =>
    withDisk(async (disk) => {
      const anyKey = fc.constantFrom("a", "b", "c/1", "c/2", "d");
      const anyChange = fc.oneof(
        fc.tuple(anyKey, fc.nat(3)).map(([key, mod]): Change => put(record(key, mod))),
        anyKey.map((key): Change => ({ kind: "delete", key })),
      );
      const store = await disk.open();
      let revision = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(anyChange, { maxLength: 6 }), async (changes) => {
          revision += 1;
          await store.run("apply", at(revision), changes);
          const shortWay = await newDisk();
          const fresh = await shortWay.open();
          await fresh.run("beginSnapshot", false);
          const records = store.reads.page("", "", 100);
          await fresh.run("addPage", { records, isLast: true });
          await fresh.run("sumUp");
          await fresh.run("commitSnapshot", at(revision));
          assert.deepEqual(fresh.state().sums, store.state().sums);
          await fresh.close();
          await shortWay.remove();
        }),
        { numRuns: 20 },
      );
      await store.close();
    }));

  test(`${name}: a snapshot in pages ends with exactly its records, whatever was held before`, () =>
    withStore(async (store) => {
      const anyKey = fc.constantFrom("a/1", "a/10", "a/2", "ab", "b", "b/1", "c");
      const records = fc
        .uniqueArray(fc.tuple(anyKey, fc.nat(2)), { selector: ([key]) => key })
        .map((pairs) =>
          pairs
            .map(([key, mod]) => record(key, mod, String(mod)))
            .toSorted((one, other) => (one.key < other.key ? -1 : 1)),
        );
      await fc.assert(
        fc.asyncProperty(records, fc.integer({ min: 1, max: 3 }), async (found, pageSize) => {
          await store.run("beginSnapshot", true);
          for (let from = 0; from === 0 || from < found.length; from += pageSize) {
            const page = found.slice(from, from + pageSize);
            await store.run("addPage", { records: page, isLast: from + pageSize >= found.length });
          }
          await store.run("sumUp");
          await store.run("commitSnapshot", at(1));
          assert.deepEqual(store.reads.page("", "", 100), found);
          const { isDone, differing } = await store.run("verifyStep");
          assert.deepEqual({ isDone, differing }, { isDone: true, differing: 0 });
        }),
        { numRuns: 50 },
      );
    }));
}
