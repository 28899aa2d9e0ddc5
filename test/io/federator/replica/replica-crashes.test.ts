import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Catalog } from "#lib/ports/catalog.ts";
import { openReplicaStore } from "../../../../federator/io/replica/sqlite-replica-store.ts";
import type { ReplicaStore } from "../../../../federator/io/replica/replica-store.ts";
import { recordsAt } from "../support/counting-records.ts";
import {
  namedCatalog,
  put,
  reaches,
  type ReplicaFolder,
  replicaFolder,
  SILENT,
  write,
} from "../support/replicas.ts";
import { until } from "../support/until.ts";

let folder: ReplicaFolder;
before(async () => {
  folder = await replicaFolder();
});
after(() => folder.remove());

const KILLS = 25;
/** Some steps' worth, so that the moments are spread over all that a step consists of. */
const KILL_WITHIN_MS = 30;

test(`killed ${KILLS} times at any moment, the copy on disk is each time exactly at its position, and goes on from there`, async (t) => {
  const script = join(import.meta.dirname, "../support/write-without-end.ts");
  let before = 0;
  for (let run = 0; run < KILLS; run += 1) {
    const writer = spawn(process.execPath, [script, folder.file("killed")], { stdio: "pipe" });
    let told = "";
    writer.stdout.on("data", (chunk) => (told += String(chunk)));
    await once(writer.stdout, "data");
    await delay(Math.random() * KILL_WITHIN_MS);
    writer.kill("SIGKILL");
    await once(writer, "exit");

    const store = await openReplicaStore(folder.file("killed"), SILENT, assert.fail);
    const { revision = 0 } = store.state().position ?? {};
    const lastTold = Number(told.trimEnd().split("\n").at(-1));
    assert.ok(revision >= lastTold && revision > before, `${revision} after ${lastTold}`);
    assert.deepEqual(store.reads.page("", "", 100), recordsAt(revision));
    const { isDone, differing } = await store.run("verifyStep");
    assert.deepEqual({ isDone, differing }, { isDone: true, differing: 0 });
    await store.close();
    before = revision;
  }
  t.diagnostic(`${before} revisions`);
});

const functions = Array.from({ length: 2_000 }, (_, index) => `functions/demo/f${10_000 + index}`);
const VALUE = "x".repeat(500);

async function filled(
  name: string,
): Promise<{ readonly catalog: Catalog; readonly newest: number }> {
  const catalog = await namedCatalog();
  let newest = 0;
  for (let from = 0; from < functions.length; from += 100)
    newest = await write(
      catalog,
      ...functions.slice(from, from + 100).map((key) => put(key, VALUE)),
    );
  const replica = await folder.open(name, catalog);
  await reaches(replica, newest);
  await replica.close();
  return { catalog, newest };
}

async function assertWhole(name: string, catalog: Catalog, newest: number): Promise<void> {
  const replica = await folder.open(name, catalog);
  await reaches(replica, newest);
  assert.deepEqual(
    replica.list("functions/").map(({ key }) => key),
    functions,
  );
  await replica.close();
  assert.equal(existsSync(`${folder.file(name)}.damaged`), false);
}

const ruins: readonly { readonly name: string; readonly ruin: (file: string) => Promise<void> }[] =
  [
    { name: "cut in half", ruin: async (file) => truncate(file, (await stat(file)).size / 2) },
    { name: "cut in the middle of a page", ruin: (file) => truncate(file, 10_000) },
    { name: "emptied", ruin: (file) => truncate(file, 0) },
    {
      name: "overwritten",
      ruin: (file) => writeFile(file, "this is no database, and long enough to be looked at"),
    },
  ];
for (const { name, ruin } of ruins)
  test(`a copy that was ${name} is put aside and made anew`, async () => {
    const { catalog, newest } = await filled(name);
    await ruin(folder.file(name));
    await assertWhole(name, catalog, newest);
  });

test("a copy whose damage shows in use is given up, and made anew at the next start", async () => {
  const { catalog, newest } = await filled("rotten");
  const file = folder.file("rotten");
  const damages: unknown[] = [];
  const store = await openReplicaStore(file, SILENT, (cause) => damages.push(cause));
  await truncate(file, (await stat(file)).size / 2);
  assert.throws(() => readAll(store));
  assert.equal(damages.length, 1);
  await store.close();
  await assertWhole("rotten", catalog, newest);
});

function readAll({ reads }: ReplicaStore): void {
  for (let afterKey = ""; ;) {
    const page = reads.page("", afterKey, 100);
    const last = page.at(-1);
    if (last === undefined) return;
    afterKey = last.key;
  }
}

test("a disk that does not let us read says so, and nothing is put aside", async () => {
  const file = folder.file("unreachable");
  await mkdir(file, { recursive: true });
  await assert.rejects(openReplicaStore(file, SILENT, assert.fail), /unable to open/);
  assert.equal(existsSync(`${file}.unreadable`), false);
});

test("a copy of another federation is no copy: its catalog is not this one's, and nothing of either is mixed", async () => {
  const { catalog, newest } = await filled("own");
  const foreign = await namedCatalog("a".repeat(32));
  const stranger = await folder.open("foreign", foreign);
  await reaches(stranger, await write(foreign, put("tenants/stranger")));
  await stranger.close();
  await mkdir(dirname(folder.file("exchanged")), { recursive: true });
  await copyFile(folder.file("foreign"), folder.file("exchanged"));

  const replica = await folder.open("exchanged", catalog);
  await until("it is refused", async () => replica.refusal() !== null);
  assert.equal(replica.refusal()?.code, "MERIDIAN_CATALOG_FOREIGN");
  assert.deepEqual(replica.shown(), ["tenants/stranger"]);
  assert.ok(newest > 0);
  await replica.close();
});
