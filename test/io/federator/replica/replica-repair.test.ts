import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { type ReplicaTending, tendReplica } from "../../../../federator/io/replica/tend-replica.ts";
import {
  namedCatalog,
  put,
  reaches,
  type ReplicaFolder,
  replicaFolder,
  SILENT,
  type TestReplica,
  write,
} from "../support/replicas.ts";
import { until } from "../support/until.ts";

let folder: ReplicaFolder;
before(async () => {
  folder = await replicaFolder();
});
after(() => folder.remove());

const SOON_MS = 20;
const NEVER_MS = 3_600_000;
type Means = "digest" | "scrub";

/** With a digest comparison the scrub may not read the catalog, and the other way round. */
function tend(
  replica: TestReplica,
  catalog: Catalog,
  peers: Parameters<typeof tendReplica>[0]["peers"],
  means: Means,
): ReplicaTending {
  const withoutPages: Catalog = {
    ...catalog,
    range: (query, signal) =>
      means === "digest" && query.prefix === ""
        ? Promise.reject(new Error("no pages in this test"))
        : catalog.range(query, signal),
  };
  return tendReplica({
    catalog: withoutPages,
    state: replica.state,
    peers,
    clock: systemClock,
    log: SILENT,
    compareIntervalMs: means === "digest" ? SOON_MS : NEVER_MS,
    scrubIntervalMs: SOON_MS,
  });
}

/** What a broken disk or a bug might do to the file, behind the replica's back. */
function damage(file: string): void {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  database.exec(`
    UPDATE records SET value = 'rotten' WHERE key = 'functions/demo/changed';
    DELETE FROM records WHERE key = 'functions/demo/missing';
    INSERT INTO records VALUES ('functions/demo/extra', 'never written', 2, 2, NULL);
  `);
  database.close();
}

async function filledCatalog(): Promise<Catalog> {
  const catalog = await namedCatalog();
  const names = ["changed", "missing", ...Array.from({ length: 90 }, (_, index) => `f${index}`)];
  await write(catalog, ...names.map((name) => put(`functions/demo/${name}`)));
  return catalog;
}

for (const means of ["digest", "scrub"] as const)
  for (const state of ["running", "stopped"] as const)
    test(`differences planted in a ${state} replica are found and repaired through the ${means} alone`, async () => {
      const catalog = await filledCatalog();
      const newest = await write(catalog, put("leader"));
      const name = `${means} ${state}`;
      const healthy = await folder.open(`${name} peer`, catalog);
      let replica = await folder.open(name, catalog);
      await Promise.all([reaches(healthy, newest), reaches(replica, newest)]);
      if (state === "stopped") await replica.close();
      damage(folder.file(name));
      if (state === "stopped") replica = await folder.open(name, catalog);
      await replica.looked;

      const other: { tending?: ReplicaTending } = {};
      const tending = tend(
        replica,
        catalog,
        async () => new Map(other.tending ? [["peer", other.tending.digests]] : []),
        means,
      );
      other.tending = tend(
        healthy,
        catalog,
        async () => new Map([["zone", tending.digests]]),
        means,
      );
      await until("all three are repaired", async () => {
        const { byDigest, byScrub } = tending.repairs();
        return (means === "digest" ? byDigest : byScrub) === 3;
      });
      assert.equal(replica.get("functions/demo/changed")?.value, "1");
      assert.equal(replica.get("functions/demo/missing")?.value, "1");
      assert.equal(replica.get("functions/demo/extra"), undefined);
      assert.ok(replica.applied.some(({ isSnapshot }) => isSnapshot));
      assert.deepEqual(replica.list("functions/"), healthy.list("functions/"));
      await until(
        "the digests are equal again",
        async () => String(replica.state.stored().sums) === String(healthy.state.stored().sums),
      );
      const { byDigest, byScrub } = tending.repairs();
      assert.equal(byDigest + byScrub, 3);
      assert.deepEqual(other.tending.repairs(), { byDigest: 0, byScrub: 0, lastAtMs: null });
      await tending.close();
      await other.tending.close();
      await replica.close();
      await healthy.close();
    });

test("while everything changes, nothing that is right is repaired", async (t) => {
  const catalog = await filledCatalog();
  const [one, other] = [await folder.open("busy one", catalog), await folder.open("busy", catalog)];
  const tendings: ReplicaTending[] = [];
  t.after(async () => {
    await Promise.all(tendings.map((tending) => tending.close()));
    await Promise.all([one.close(), other.close()]);
  });
  for (const [index, replica] of [one, other].entries())
    tendings.push(
      tendReplica({
        catalog,
        state: replica.state,
        peers: async () => {
          const peer = tendings[1 - index];
          return new Map(peer === undefined ? [] : [["peer", peer.digests]]);
        },
        clock: systemClock,
        log: SILENT,
        compareIntervalMs: 1,
        scrubIntervalMs: 1,
      }),
    );
  let newest = 0;
  for (let index = 0; index < 300; index += 1)
    newest = await write(
      catalog,
      put(`functions/demo/f${index % 90}`, String(index)),
      index % 2 === 0
        ? put(`functions/demo/comes-and-goes-${index % 7}`)
        : { kind: "delete", key: `functions/demo/comes-and-goes-${(index * 3) % 7}` },
    );
  await Promise.all([reaches(one, newest), reaches(other, newest)]);
  for (const tending of tendings)
    assert.deepEqual(tending.repairs(), { byDigest: 0, byScrub: 0, lastAtMs: null });
  assert.deepEqual(one.state.stored().sums, other.state.stored().sums);
});
