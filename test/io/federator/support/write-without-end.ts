import assert from "node:assert/strict";
import { pino } from "pino";
import { openReplicaStore } from "../../../../federator/io/replica/sqlite-replica-store.ts";
import { changesAt, recordsAt } from "./counting-records.ts";

/*
 * A program to be killed in the middle of its work: it follows a catalog that counts, from wherever the copy is, mostly revision by
 * revision and now and then by a snapshot.
 */
const SNAPSHOT_EVERY = 25;
const SNAPSHOT_JUMP = 7;
const PAGE_RECORDS = 3;
const [, , file = ""] = process.argv;
const store = await openReplicaStore(file, pino({ level: "silent" }), assert.fail);

for (let revision = store.state().position?.revision ?? 0; ;) {
  if (revision % SNAPSHOT_EVERY === SNAPSHOT_EVERY - 1) {
    revision += SNAPSHOT_JUMP;
    await snapshot(revision);
  } else {
    revision += 1;
    await store.run("apply", { incarnation: "one", revision }, changesAt(revision));
  }
  process.stdout.write(`${revision}\n`);
}

async function snapshot(revision: number): Promise<void> {
  const records = recordsAt(revision);
  await store.run("beginSnapshot", false);
  for (let from = 0; from < records.length; from += PAGE_RECORDS) {
    const page = records.slice(from, from + PAGE_RECORDS);
    const isLast = from + PAGE_RECORDS >= records.length;
    assert.equal(await store.run("addPage", { records: page, isLast }), "added");
  }
  await store.run("sumUp");
  await store.run("commitSnapshot", { incarnation: "one", revision });
}
