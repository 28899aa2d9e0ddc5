import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { openSqliteCatalog } from "#lib/io/sqlite-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import {
  type CatalogDesk,
  openCatalogDesk,
} from "../../../../federator/io/replica/catalog-desk.ts";
import { guardCatalog } from "../../../../federator/io/replica/guard-catalog.ts";
import { federationOperation } from "../../../../federator/io/replica/identify-catalog.ts";
import type { RunningReplica } from "../../../../federator/io/replica/replica.ts";
import { cuttableCatalog } from "../support/cuttable-catalog.ts";
import {
  FEDERATION_ID,
  namedCatalog,
  put,
  reaches,
  remove,
  type ReplicaFolder,
  replicaFolder,
  SILENT,
  write,
} from "../support/replicas.ts";
import { until } from "../support/until.ts";

let folder: ReplicaFolder;
let directory: string;
before(async () => {
  folder = await replicaFolder();
  directory = await mkdtemp(join(tmpdir(), "meridian-restored-"));
});
after(async () => {
  await folder.remove();
  await rm(directory, { recursive: true, force: true });
});

const CHANGE: ChangeRecord = {
  action: "catalog.recover",
  actor: "a test",
  requestId: "one",
  tenant: null,
  subject: "zones/eu-west",
  detail: {},
  atMs: 1,
};
const deskOf = (catalog: Catalog, replica: RunningReplica): CatalogDesk =>
  openCatalogDesk({
    zone: "eu-west",
    catalog,
    guarded: guardCatalog(catalog, replica),
    replica,
    repairs: () => ({ byDigest: 0, byScrub: 0, lastAtMs: null }),
    clock: systemClock,
    log: SILENT,
  });
const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const keysOf = async (catalog: Catalog): Promise<string[]> => {
  const page = await catalog.range({ prefix: "" });
  assert.ok(page.kind === "page");
  return page.records.map(({ key }) => key);
};
/** One function as a deploy writes it. */
const deployed = (name: string, version: number) => [
  put(`functions/demo/${name}`, `{"latestVersion":${version}}`),
  put(`versions/demo/${name}/000000000${version}`),
  put(`aliases/demo/${name}/live`, `{"version":${version}}`),
];

test("what a restored catalog lost is kept and served, and recovered on an operator's word", async () => {
  const lost = await namedCatalog();
  const before = await folder.open("restored", lost);
  await write(lost, put("tenants/demo"), ...deployed("old", 1));
  await write(lost, ...deployed("old", 2));
  await reaches(before, await write(lost, ...deployed("new", 1), put("leader", "before")));
  await before.close();

  // The backup knows neither the second version nor the second function; revisions count on from far ahead.
  const restored = await namedCatalog();
  await write(restored, put("tenants/demo"), ...deployed("old", 1));
  await write(restored, put("leader", "after"));
  const replica = await folder.open("restored", restored);
  await until(
    "the restored catalog is followed",
    async () => replica.get("leader")?.value === "after",
  );
  assert.equal(replica.get("aliases/demo/old/live")?.value, '{"version":2}');
  assert.equal(replica.get("aliases/demo/new/live")?.value, '{"version":1}');
  assert.equal(replica.count("versions/"), 3);
  assert.equal(replica.stranded().count, 6);
  assert.equal(replica.heldBack(), null);
  const { incarnation } = replica.position();
  assert.match(incarnation, new RegExp(`^${replica.cursor()?.incarnation}~[0-9a-f]{8}$`));
  assert.equal((await keysOf(restored)).includes("functions/demo/new"), false);

  const desk = deskOf(restored, replica);
  assert.equal(desk.status().stranded.served, 6);
  const recovery = await desk.recover(CHANGE, signal());
  assert.deepEqual(
    { recovered: recovery.recovered, isDone: recovery.isDone, left: recovery.left },
    { recovered: 6, isDone: true, left: 0 },
  );
  assert.equal((await keysOf(restored)).includes("versions/demo/old/0000000002"), true);
  assert.deepEqual(replica.position(), replica.cursor());
  assert.equal(replica.applied.at(-1)?.isSnapshot, true);
  await assert.rejects(desk.discard(CHANGE, signal()), { code: "MERIDIAN_CONFLICT" });
  await replica.close();
});

test("stranded records survive a restart, and nothing newer is overwritten by recovering", async () => {
  const lost = await namedCatalog();
  const before = await folder.open("conflicting", lost);
  await write(lost, put("tenants/demo"), ...deployed("f", 1));
  await reaches(before, await write(lost, ...deployed("f", 2), put("quotas/demo", "ours")));
  await before.close();

  const restored = await namedCatalog();
  await write(restored, put("tenants/demo"), ...deployed("f", 1));
  const first = await folder.open("conflicting", restored);
  await until("it is followed", async () => first.stranded().count === 4);
  // Somebody deploys again before the operator comes.
  await reaches(
    first,
    await write(
      restored,
      put("functions/demo/f", "theirs"),
      put("versions/demo/f/0000000002", "theirs"),
      put("aliases/demo/f/live", "theirs"),
    ),
  );
  await first.close();

  const replica = await folder.open("conflicting", restored);
  await replica.looked;
  assert.equal(replica.get("aliases/demo/f/live")?.value, "theirs");
  assert.equal(replica.get("quotas/demo")?.value, "ours");
  const { served, superseded } = replica.strandedCount();
  assert.deepEqual({ served, superseded }, { served: 1, superseded: 3 });
  const desk = deskOf(restored, replica);
  const recovery = await desk.recover(CHANGE, signal());
  assert.equal(recovery.recovered, 1);
  assert.deepEqual(recovery.leftKeys, [
    "aliases/demo/f/live",
    "functions/demo/f",
    "versions/demo/f/0000000002",
  ]);
  assert.equal(replica.get("functions/demo/f")?.value, "theirs");
  const status = await desk.discard(CHANGE, signal());
  assert.deepEqual(status.stranded, { served: 0, superseded: 0, keys: [] });
  await replica.close();
});

test("a copied SQLite catalog put back in place strands what came after the copy", async () => {
  const file = join(directory, "catalog.sqlite");
  const openCatalog = (databaseFile: string) =>
    openSqliteCatalog({
      databaseFile,
      databaseBytesMax: 1e9,
      clock: systemClock,
      onLost: assert.fail,
    });
  const first = await openCatalog(file);
  await write(first, federationOperation(FEDERATION_ID, 1));
  await write(first, put("tenants/demo"), ...deployed("old", 1));
  await first.close();
  await cp(file, `${file}.backup`);

  const second = await openCatalog(file);
  const before = await folder.open("copied", second);
  await reaches(before, await write(second, ...deployed("new", 1)));
  await before.close();
  await second.close();

  // Back to the copy; the same incarnation then goes on from there and soon has more revisions than the one that was lost.
  for (const suffix of ["-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
  await cp(`${file}.backup`, file);
  const third = await openCatalog(file);
  for (let count = 0; count < 5; count += 1) await write(third, put("leader", String(count)));
  const replica = await folder.open("copied", third);
  await until("the other history is noticed", async () => replica.get("leader") !== undefined);
  assert.equal(replica.get("aliases/demo/new/live")?.value, '{"version":1}');
  assert.equal(replica.stranded().count, 3);
  const recovery = await deskOf(third, replica).recover(CHANGE, signal());
  assert.equal(recovery.recovered, 3);
  await replica.close();
  await third.close();
});

test("a catalog that is behind for a moment is not taken for a restored one", async () => {
  const catalog = await namedCatalog();
  const before = await folder.open("behind", catalog);
  const revision = await write(catalog, ...deployed("f", 1));
  await reaches(before, revision);
  await before.close();
  let looks = 0;
  const lagging: Catalog = {
    ...catalog,
    range: async (query, abort) => {
      const page = await catalog.range(query, abort);
      looks += 1;
      return page.kind === "page" && looks <= 2 ? { ...page, revision: revision - 1 } : page;
    },
  };
  const replica = await folder.open("behind", lagging);
  const newest = await write(catalog, put("leader"));
  await reaches(replica, newest);
  assert.equal(replica.stranded().count, 0);
  assert.equal(replica.applied.filter(({ isSnapshot }) => isSnapshot).length, 0);
  await replica.close();
});

test("an empty catalog is given a name, by one of those that find it, and a replica from before names has none", async () => {
  const catalog = createMemoryCatalog({ clock: systemClock });
  await write(catalog, put("tenants/demo"));
  const [one, other] = [await folder.open("first", catalog), await folder.open("second", catalog)];
  await until("both know the name", async () => one.count("") + other.count("") === 4);
  const { federationId } = one.state.stored();
  assert.match(federationId ?? "", /^[0-9a-f]{32}$/);
  assert.equal(other.state.stored().federationId, federationId);
  await one.close();
  await other.close();
});

const refusals: readonly {
  readonly name: string;
  readonly code: string;
  readonly other: () => Promise<Catalog>;
}[] = [
  {
    name: "of another federation",
    code: "MERIDIAN_CATALOG_FOREIGN",
    other: async () => {
      const catalog = await namedCatalog("a".repeat(32));
      await write(catalog, put("tenants/stranger"));
      return catalog;
    },
  },
  {
    name: "that was emptied",
    code: "MERIDIAN_CATALOG_FOREIGN",
    other: async () => createMemoryCatalog({ clock: systemClock }),
  },
  {
    name: "of a future schema",
    code: "MERIDIAN_CATALOG_NEWER",
    other: async () => {
      const catalog = createMemoryCatalog({ clock: systemClock });
      const federation = { federationId: FEDERATION_ID, schemaVersion: 2, createdAtMs: 1 };
      await write(catalog, put("federation", JSON.stringify(federation)), put("tenants/new"));
      return catalog;
    },
  },
  {
    name: "that somebody else wrote to",
    code: "MERIDIAN_CATALOG_FOREIGN",
    other: async () => {
      const catalog = createMemoryCatalog({ clock: systemClock });
      await write(catalog, put("federation", "what is this?"));
      return catalog;
    },
  },
];
for (const { name, code, other } of refusals)
  test(`a catalog ${name} is refused: the zone serves what it has and writes nothing`, async () => {
    const own = await namedCatalog();
    const before = await folder.open(name, own);
    await reaches(before, await write(own, ...deployed("f", 1)));
    await before.close();
    const strange = await other();
    const keysBefore = await keysOf(strange);
    const replica = await folder.open(name, strange);
    await until("it is refused", async () => replica.refusal() !== null);
    assert.equal(replica.refusal()?.code, code);
    assert.deepEqual(replica.position(), before.position());
    assert.equal(replica.count("functions/"), 1);
    const guarded = guardCatalog(strange, replica);
    await assert.rejects(write(guarded, put("leader")), { code });
    await assert.rejects(guarded.grantLease(1_000), { code });
    await assert.rejects(deskOf(strange, replica).discard(CHANGE, signal()));
    assert.deepEqual(await keysOf(strange), keysBefore);
    await replica.close();
  });

test("a wholly lost catalog is written anew from a replica, and the other zones follow it", async () => {
  const lost = await namedCatalog();
  const link = cuttableCatalog(lost);
  const [near, far] = [await folder.open("near", link), await folder.open("far", link)];
  const many = Array.from({ length: 150 }, (_, index) => put(`versions/demo/big/${1_000 + index}`));
  await write(lost, put("tenants/demo"), put("grants/demo"), put("functions/demo/big"));
  await write(lost, ...many.slice(0, 100));
  await write(lost, ...many.slice(100), put("aliases/demo/big/live"));
  const newest = await write(lost, ...deployed("f", 1), put("leader"));
  await Promise.all([reaches(near, newest), reaches(far, newest)]);
  await near.close();
  await far.close();

  const empty = createMemoryCatalog({ clock: systemClock });
  const replica = await folder.open("near", empty);
  await until("it is refused", async () => replica.refusal() !== null);
  const recovery = await deskOf(empty, replica).recover(CHANGE, signal());
  assert.deepEqual(
    { recovered: recovery.recovered, isDone: recovery.isDone, left: recovery.left },
    { recovered: 157, isDone: true, left: 0 },
  );
  assert.equal(replica.state.stored().federationId, FEDERATION_ID);
  // What the programs make themselves is theirs to make.
  assert.deepEqual(
    (await keysOf(empty)).filter((key) => !key.startsWith("versions/")),
    [
      "aliases/demo/big/live",
      "aliases/demo/f/live",
      "change",
      "federation",
      "functions/demo/big",
      "functions/demo/f",
      "grants/demo",
      "tenants/demo",
    ],
  );
  const other = await folder.open("far", empty);
  await until(
    "the other zone is there",
    async () => JSON.stringify(other.position()) === JSON.stringify(replica.cursor()),
  );
  assert.equal(other.stranded().count, 0);
  assert.deepEqual(other.state.stored().sums, replica.state.stored().sums);
  await replica.close();
  await other.close();
});

test("a catalog that is emptied under its federators is refused at once, and recovered in place", async () => {
  const catalog = await namedCatalog();
  const replica = await folder.open("in place", catalog);
  await reaches(replica, await write(catalog, put("tenants/demo"), ...deployed("f", 1)));
  await write(catalog, ...(await keysOf(catalog)).map(remove));
  await until("it is refused", async () => replica.refusal() !== null);
  assert.equal(replica.get("functions/demo/f")?.value, '{"latestVersion":1}');
  const recovery = await deskOf(catalog, replica).recover(CHANGE, signal());
  assert.equal(recovery.recovered, 4);
  assert.equal(recovery.left, 0);
  await replica.close();
});
