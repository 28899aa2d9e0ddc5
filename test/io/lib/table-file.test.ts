import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { tableFile } from "#lib/io/table-file.ts";
import { encodeEntry, tableDigest } from "#lib/table-digest.ts";

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "table-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "table.json");
  const said: string[] = [];
  const log = pino(
    { level: "info" },
    { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const file = tableFile(path, log);
  const save = (revision: number, entries: readonly RouteEntry[] = tenants(revision)) =>
    file.save(
      { position: { incarnation: "one", revision }, digest: tableDigest(entries) },
      entries.map(encodeEntry),
    );
  const loaded = async () => (await file.load()).table()?.position.revision;
  return { path, said, file, save, loaded };
}

const tenants = (count: number): RouteEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    kind: "tenant",
    tenant: `tenant-${index}`,
    limits: { "requests-per-second": 1_000, burst: 1_000, concurrency: 100 },
  }));

test("what was saved is loaded again, in as many parts as it takes", async (t) => {
  const { file, save, path } = await open(t);
  await save(3_000);
  assert.ok((await readFile(path, "utf8")).split("\n").length > 3);
  const table = (await file.load()).table();
  assert.equal(table?.entries.size, 3_000);
  assert.equal(table?.digest, tableDigest(tenants(3_000)));
  assert.equal(table?.entries.get("tenant/tenant-7")?.kind, "tenant");
});

test("where there is none, none is loaded and it is said", async (t) => {
  const { loaded, said } = await open(t);
  assert.equal(await loaded(), undefined);
  assert.deepEqual(said, ["there is no route table on disk", "there is no route table on disk"]);
});

const damages = [
  { name: "torn", damage: (path: string) => truncate(path, 400) },
  { name: "empty", damage: (path: string) => truncate(path, 0) },
  { name: "of another format", damage: (path: string) => writeFile(path, '{"entries":[]}\n') },
  {
    name: "rotten in its position",
    damage: async (path: string) =>
      writeFile(path, (await readFile(path, "utf8")).replace('"revision":2', '"revision":7')),
  },
  {
    name: "rotten in an entry",
    damage: async (path: string) =>
      writeFile(path, (await readFile(path, "utf8")).replace("tenant-1", "tenant-9")),
  },
  {
    name: "without its end",
    damage: async (path: string) =>
      writeFile(path, (await readFile(path, "utf8")).split("\n").slice(0, -2).join("\n") + "\n"),
  },
];
for (const { name, damage } of damages)
  test(`a file that is ${name} is said and not used; the one before it is`, async (t) => {
    const { path, said, save, loaded } = await open(t);
    await save(1);
    await save(2);
    await damage(path);
    assert.equal(await loaded(), 1);
    assert.deepEqual(said, ["the route table on disk is not whole and is not used"]);
    await damage(`${path}.previous`).catch(() => undefined);
    await truncate(`${path}.previous`, 10);
    assert.equal(await loaded(), undefined);
  });
