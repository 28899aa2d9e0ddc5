import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { Catalog } from "#lib/ports/catalog.ts";
import { commit, failsWith, put, readAll, watching } from "../../contract/catalog/support.ts";
import { openSqlite } from "./support/open-catalogs.ts";

const run = promisify(execFile);
const DISK_BYTES = 6 * 1024 * 1024;
const VALUE = "v".repeat(20_000);
const isFull = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");

let folder = "";
let reason: string | undefined;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-disk-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "meridian-test", folder]);
  } catch (error) {
    reason = `a disk of its own could not be mounted: ${String(error).split("\n", 1)[0]}`;
  }
});
after(async () => {
  if (reason === undefined) await run("umount", ["-l", folder]);
  await rm(folder, { recursive: true, force: true });
});

test("a full disk is an error to the writer and no loss; once there is space, writes go on", async (t) => {
  if (reason !== undefined) return t.skip(reason);
  const databaseFile = join(folder, "catalog.sqlite");
  const ballast = join(folder, "somebody-elses");
  await writeFile(ballast, Buffer.alloc(DISK_BYTES / 2));
  const catalog = await openSqlite(t, databaseFile);
  const written = await fill(catalog, "before/");
  assert.ok(written.length > 20, `${written.length} were written`);
  for (let attempt = 0; attempt < 3; attempt++)
    await assert.rejects(commit(catalog, put("refused", VALUE), put("refused-too")), /disk.*full/);
  await assertHolds(catalog, written);
  const watcher = watching(t, catalog, "before/", 0);
  await watcher.until(() => watcher.changes().length === written.length, "the whole history");

  await rm(ballast);
  written.push(...(await fill(catalog, "after/")));
  assert.ok(written.filter((key) => key.startsWith("after/")).length > 20);
  await assertHolds(catalog, written);
  await catalog.close();
  const reopened = await openSqlite(t, databaseFile);
  await assertHolds(reopened, written);
  await reopened.close();
});

/** Writes until the disk takes no more; what it was told to be written. */
async function fill(catalog: Catalog, prefix: string): Promise<string[]> {
  const written: string[] = [];
  for (;;) {
    const key = `${prefix}${String(written.length).padStart(4, "0")}`;
    const isWritten = await commit(catalog, put(key, VALUE)).then(
      () => true,
      (error: unknown) => !isFull(error),
    );
    if (!isWritten) return written;
    written.push(key);
  }
}

async function assertHolds(catalog: Catalog, written: readonly string[]): Promise<void> {
  const records = await readAll(catalog, "");
  assert.deepEqual(
    records.map(({ key }) => key),
    written.toSorted(),
  );
  assert.ok(records.every(({ value }) => value === VALUE));
}
