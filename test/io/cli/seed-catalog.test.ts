import assert from "node:assert/strict";
import { test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { SCHEMA_VERSION } from "#lib/contracts/catalog-records.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import { completeKeys, seedCatalog } from "../../../cli/up/io/seed-catalog.ts";

const API_KEYS = completeKeys(undefined);
const seed = (catalog: Catalog, zones: readonly string[]): Promise<void> =>
  seedCatalog(catalog, API_KEYS, zones, 1, AbortSignal.timeout(10_000));
const write = async (catalog: Catalog, key: string, value: unknown): Promise<void> => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  await catalog.txn({ compares: [], operations: [{ kind: "put", key, value: text }] });
};
async function recordsOf(catalog: Catalog): Promise<readonly CatalogRecord[]> {
  const page = await catalog.range({ prefix: "" });
  assert.ok(page.kind === "page");
  return page.records;
}
const newCatalog = () => createMemoryCatalog({ clock: systemClock });

test("seeding a second time writes nothing", async () => {
  const catalog = newCatalog();
  await seed(catalog, ["a", "b"]);
  const before = await recordsOf(catalog);
  await seed(catalog, ["a", "b"]);
  assert.deepEqual(await recordsOf(catalog), before);
});

test("other zones divide grants anew, and keep what a newer version wrote beside them", async () => {
  const catalog = newCatalog();
  await seed(catalog, ["a", "b"]);
  const key = keys.grant("demo");
  const grant = (await recordsOf(catalog)).find((record) => record.key === key);
  await write(catalog, key, { ...JSON.parse(grant?.value ?? ""), ofTheFuture: 1 });
  await seed(catalog, ["a", "c"]);
  const divided = (await recordsOf(catalog)).find((record) => record.key === key);
  const { zones, ofTheFuture } = JSON.parse(divided?.value ?? "");
  assert.deepEqual([Object.keys(zones), ofTheFuture], [["a", "c"], 1]);
});

const FEDERATION = { federationId: "f".repeat(32), createdAtMs: 1 };
const refusals = [
  {
    name: "of a future schema",
    federation: { ...FEDERATION, schemaVersion: SCHEMA_VERSION + 1 },
    code: "MERIDIAN_CATALOG_NEWER",
  },
  { name: "of somebody else", federation: "what is this?", code: "MERIDIAN_CATALOG_FOREIGN" },
];
for (const { name, federation, code } of refusals)
  test(`nothing is written to a catalog ${name}`, async () => {
    const catalog = newCatalog();
    await write(catalog, keys.federation(), federation);
    await assert.rejects(seed(catalog, ["a"]), { code });
    assert.equal((await recordsOf(catalog)).length, 1);
  });
