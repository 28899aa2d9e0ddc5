import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { refreshedFile } from "../../../cli/up/io/refreshed-file.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const FAIL = (error: unknown): never => assert.fail(String(error));

test("whoever reads sees a whole document at every moment, and in the end the newest", async (context) => {
  const path = join(await temporaryFolder(context), "credentials.json");
  let round = 0;
  const file = refreshedFile(path, () => ({ round, padding: "x".repeat(100_000) }), FAIL);
  file.refresh();
  await file.settled();
  assert.equal((await stat(path)).mode & 0o777, 0o600);

  const LAST = 50;
  const seen: number[] = [];
  while (round < LAST) {
    round += 1;
    file.refresh();
    seen.push((JSON.parse(await readFile(path, "utf8")) as { round: number }).round);
  }
  await file.settled();
  assert.deepEqual(
    seen,
    seen.toSorted((one, other) => one - other),
  );
  assert.equal((JSON.parse(await readFile(path, "utf8")) as { round: number }).round, LAST);
});

test("a document that has not changed is not written again", async (context) => {
  const path = join(await temporaryFolder(context), "file.json");
  const file = refreshedFile(path, () => ({ same: true }), FAIL);
  file.refresh();
  await file.settled();
  const { ino } = await stat(path);
  file.refresh();
  await file.settled();
  assert.equal((await stat(path)).ino, ino);
});

test("a disk that refuses is told of, and the next change is tried again", async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, "not/there/file.json");
  const failures: unknown[] = [];
  const file = refreshedFile(
    path,
    () => ({}),
    (error) => failures.push(error),
  );
  file.refresh();
  await file.settled();
  file.refresh();
  await file.settled();
  assert.equal(failures.length, 2);
});
