import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { Catalog } from "#lib/ports/catalog.ts";
import { commit, failsWith, put, readAll } from "../../contract/catalog/support.ts";
import { openSqlite, temporaryDirectory } from "./support/open-catalogs.ts";

const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
/** Where a file is cut: in its head, in and between its pages, and shortly before its end. */
const PARTS_LEFT = [0, 50, 100, 511, 4_096, 4_097, 8_192, 0.5, -4_096, -1];

test("a file that is cut off anywhere after a clean end is refused and left as it is", async (t) => {
  const directory = await temporaryDirectory(t);
  const whole = join(directory, "whole.sqlite");
  const catalog = await openSqlite(t, whole);
  await writeRecords(catalog);
  await catalog.close();
  const { size } = await stat(whole);
  for (const part of PARTS_LEFT) {
    const left = bytesLeft(part, size);
    const cut = join(directory, `cut-${left}.sqlite`);
    await copyFile(whole, cut);
    await truncate(cut, left);
    const before = await readFile(cut);
    await assert.rejects(openSqlite(t, cut), isUnavailable, `${left} of ${size} bytes`);
    assert.deepEqual(await readFile(cut), before);
  }
  assert.equal((await readAll(await openSqlite(t, whole), "k/")).length, RECORDS);
});

test("a file that is cut off and has a log beside it is refused, or nothing of it is missing", async (t) => {
  const directory = await temporaryDirectory(t);
  const running = join(directory, "running.sqlite");
  await writeRecords(await openSqlite(t, running));
  const killed = join(directory, "killed.sqlite");
  // As a killed process leaves them: the one is not touched between its writes.
  await copyFile(running, killed);
  await copyFile(`${running}-wal`, `${killed}-wal`);
  const { size } = await stat(killed);
  let refused = 0;
  for (const part of PARTS_LEFT) {
    const cut = join(directory, "cut.sqlite");
    await copyFile(killed, cut);
    await copyFile(`${killed}-wal`, `${cut}-wal`);
    await truncate(cut, bytesLeft(part, size));
    const opened = await openSqlite(t, cut).catch((error: unknown) => {
      isUnavailable(error);
      refused += 1;
    });
    if (opened === undefined) continue;
    assert.equal((await readAll(opened, "k/")).length, RECORDS);
    await opened.close();
  }
  assert.ok(refused >= 6, `${refused} were refused`);
});

test("a file that is no catalog, or a newer one's, is refused and left as it is", async (t) => {
  const directory = await temporaryDirectory(t);
  const text = join(directory, "text.sqlite");
  await writeFile(text, "not a database, but long enough to be taken for one".repeat(40));
  const before = await readFile(text);
  await assert.rejects(openSqlite(t, text), isUnavailable);
  assert.deepEqual(await readFile(text), before);

  for (const [statement, said] of [
    ["pragma user_version = 7", /format 7/],
    ["create table something (else_ text)", /format 0/],
  ] as const) {
    const other = join(directory, "other.sqlite");
    await rm(other, { force: true });
    const database = new DatabaseSync(other);
    database.exec(statement);
    database.close();
    await assert.rejects(openSqlite(t, other), said);
  }
});

test("whoever meets garbage in the middle of a file is told which one, and what to do", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "garbled.sqlite");
  const whole = await openSqlite(t, file);
  await writeRecords(whole);
  await whole.close();
  const content = await readFile(file);
  // The head stays as it is, so that the file opens.
  await writeFile(file, content.fill(0xa5, 4_096 * 4));
  const meeting = openSqlite(t, file).then((catalog) => commit(catalog, put("k/7", "new")));
  await assert.rejects(meeting, (error: unknown) => {
    isUnavailable(error);
    assert.match(String(error), /garbled\.sqlite is damaged .*backup.*docs\/operations\.md/);
    return true;
  });
});

test("a making that was broken off is begun anew", async (t) => {
  const databaseFile = join(await temporaryDirectory(t), "catalog.sqlite");
  await writeFile(`${databaseFile}.new`, "half of something");
  const catalog = await openSqlite(t, databaseFile);
  await commit(catalog, put("k"));
});

test("opening fails with a sentence when the folder cannot be made, or the name is a folder's", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "file"), "");
  await mkdir(join(directory, "folder.sqlite"));
  for (const name of [join("file", "catalog.sqlite"), "folder.sqlite"])
    await assert.rejects(openSqlite(t, join(directory, name)), /cannot be opened/);
});

const RECORDS = 1_500;

async function writeRecords(catalog: Catalog): Promise<void> {
  const keys = Array.from({ length: RECORDS }, (_, index) => `k/${index}`);
  for (let first = 0; first < RECORDS; first += 50)
    await commit(catalog, ...keys.slice(first, first + 50).map((key) => put(key, "v".repeat(500))));
  // More than SQLite keeps in the log before it begins to move it into the file.
  for (let version = 0; version < 60; version++)
    await commit(catalog, ...keys.slice(0, 50).map((key) => put(key, `${version}`.repeat(500))));
}

const bytesLeft = (part: number, size: number): number => {
  if (part < 0) return size + part;
  return part > 0 && part < 1 ? Math.floor(size * part) : part;
};
