import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, WatchEvent } from "#lib/ports/catalog.ts";
import { commit, failsWith, put, read, until } from "../../contract/catalog/support.ts";
import { catalogProcess } from "./support/catalog-process.ts";

const WRITERS = 8;
const KILLS = 10;
/** Each transaction writes as many records, so that one half applied would show. */
const PARTS = ["a", "b", "c"];

test("kill -9 again and again during concurrent writes loses no acknowledged write and halves none, and a watch resumes without gap or double", async (t) => {
  const process = await catalogProcess(t);
  await process.start();
  const catalog = process.connect({ callTimeoutMs: 3_000, stallMs: 2_000 });
  const stopping = new AbortController();
  t.after(() => stopping.abort());

  const heard = followAcrossRestarts(catalog, stopping.signal);
  const writers = Array.from({ length: WRITERS }, (_, writer) =>
    writeUntil(process.connect({ callTimeoutMs: 3_000 }), `w/${writer}/`, stopping.signal),
  );
  const urls = new Set<string>();
  for (let kills = 0; kills < KILLS; kills++) {
    const seen = heard.revisions.length;
    await until(() => heard.revisions.length > seen + 60, "writes between the kills");
    await process.kill("SIGKILL");
    await process.start();
    urls.add((await process.endpoint()).internal);
  }
  const seen = heard.revisions.length;
  await until(() => heard.revisions.length > seen + 100, "writes after the last kill");
  stopping.abort();
  const outcomes = await Promise.all(writers);
  await heard.ended;

  const acknowledged = outcomes.flatMap((outcome) => outcome.acknowledged);
  const records = await everything(catalog);
  assert.ok(acknowledged.length > 400);
  assert.ok(urls.size > 1, "it came back on other ports");
  for (const { key, revision } of acknowledged)
    for (const part of PARTS)
      assert.equal(records.get(`${key}/${part}`), revision, `${key} was acknowledged`);
  const inDoubt = new Set(outcomes.flatMap((outcome) => outcome.inDoubt));
  const acknowledgedKeys = new Set(acknowledged.map(({ key }) => key));
  for (const [name, revision] of records) {
    const key = name.slice(0, name.lastIndexOf("/"));
    assert.ok(acknowledgedKeys.has(key) || inDoubt.has(key), `${key} was said not to be made`);
    for (const part of PARTS)
      assert.equal(records.get(`${key}/${part}`), revision, `${key} is there by half`);
  }

  const last = heard.revisions.length;
  assert.deepEqual(
    heard.revisions,
    Array.from({ length: last }, (_, index) => index + 1),
  );
  assert.equal(heard.incarnations.size, 1);
});

test("a stopped catalog process ends every call by its deadline and every watch by its stall", async (t) => {
  const process = await catalogProcess(t);
  await process.start();
  const catalog = process.connect({ callTimeoutMs: 700, stallMs: 1_500 });
  await commit(catalog, put("k", "before"));
  const watching = assert.rejects(async () => {
    const signal = new AbortController().signal;
    for await (const event of catalog.watch({ prefix: "", afterRevision: 0 }, signal))
      if (event.kind === "revision") process.signal("SIGSTOP");
  }, failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
  await watching;

  const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
  await Promise.all([
    assert.rejects(
      catalog.txn({ compares: [], operations: [put("k", "in doubt")] }),
      failsWith("MERIDIAN_WRITE_AMBIGUOUS"),
    ),
    assert.rejects(catalog.range({ prefix: "" }), isUnavailable),
    assert.rejects(catalog.grantLease(10_000), isUnavailable),
    assert.rejects(catalog.renewLease("any"), isUnavailable),
    assert.rejects(catalog.revokeLease("any"), failsWith("MERIDIAN_WRITE_AMBIGUOUS")),
    assert.rejects(catalog.compact(0), isUnavailable),
  ]);
  const leaving = new AbortController();
  const left = assert.rejects(catalog.range({ prefix: "" }, leaving.signal), isUnavailable);
  leaving.abort();
  await left;

  process.signal("SIGCONT");
  await until(async () => (await readWhenUp(catalog, "k")) !== undefined, "it goes on");
});

test("without a catalog process nothing is sent and nothing is in doubt", async (t) => {
  const process = await catalogProcess(t);
  const catalog = process.connect();
  const isUnavailable = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
  const transaction = { compares: [], operations: [put("k")] };
  await assert.rejects(catalog.txn(transaction), isUnavailable, "never published");
  await process.start();
  await commit(catalog, put("k"));
  await process.kill("SIGKILL");
  await delay(0);
  await assert.rejects(catalog.txn(transaction), isUnavailable, "connection refused");
});

test("after a restart each lease has one full time to live again, then takes its records", async (t) => {
  const process = await catalogProcess(t);
  await process.start();
  const catalog = process.connect();
  const kept = await catalog.grantLease(60_000);
  const short = await catalog.grantLease(1_000);
  await commit(catalog, put("kept", "", kept), put("short", "", short));
  await process.kill("SIGKILL");
  await delay(1_200);
  await process.start();
  assert.equal(await catalog.renewLease(short), "renewed", "its time did not run meanwhile");
  await until(async () => (await read(catalog, "short")) === undefined, "its end");
  assert.equal(await catalog.renewLease(kept), "renewed");
  assert.equal((await read(catalog, "kept"))?.leaseId, kept);
});

test("SIGTERM ends it cleanly under load, and its figures are on the admin port", async (t) => {
  const process = await catalogProcess(t);
  await process.start();
  const catalog = process.connect();
  const stopping = new AbortController();
  const heard = followAcrossRestarts(catalog, stopping.signal);
  const writing = writeUntil(catalog, "w/", stopping.signal);
  await until(() => heard.revisions.length > 20, "some writes");
  const metrics = await (await fetch(`${(await process.endpoint()).admin}/metrics`)).text();
  assert.match(metrics, /meridian_catalog_txn_seconds_count\{.*outcome="committed".*\} \d\d/);
  assert.match(metrics, /meridian_catalog_revision\{.*\} \d\d/);
  assert.match(metrics, /meridian_catalog_watchers\{.*\} 1\b/);
  assert.match(metrics, /meridian_catalog_database_bytes\{.*\} \d{4}/);
  await process.kill("SIGTERM");
  await process.start();
  const seen = heard.revisions.length;
  await until(() => heard.revisions.length > seen, "it goes on");
  stopping.abort();
  const { acknowledged } = await writing;
  await heard.ended;
  const records = await everything(catalog);
  for (const { key } of acknowledged) assert.ok(records.has(`${key}/${PARTS[0]}`), key);
});

interface Writing {
  readonly acknowledged: { readonly key: string; readonly revision: number }[];
  /** Keys of the writes whose fate was not told. */
  readonly inDoubt: string[];
}

/** One new key after the other. A write that was not made is not repeated: its key must never appear. */
async function writeUntil(catalog: Catalog, prefix: string, signal: AbortSignal): Promise<Writing> {
  const writing: Writing = { acknowledged: [], inDoubt: [] };
  for (let index = 0; !signal.aborted; index++) {
    const key = `${prefix}${index}`;
    try {
      const parts = PARTS.map((part) => put(`${key}/${part}`));
      writing.acknowledged.push({ key, revision: await commit(catalog, ...parts) });
    } catch (error) {
      assert.ok(error instanceof MeridianError, String(error));
      if (error.code === "MERIDIAN_WRITE_AMBIGUOUS") writing.inDoubt.push(key);
      else assert.equal(error.code, "MERIDIAN_CATALOG_UNAVAILABLE");
      await delay(20);
    }
  }
  return writing;
}

/** As a replica does: after each break it watches on from the last revision it was given. */
function followAcrossRestarts(catalog: Catalog, signal: AbortSignal) {
  const revisions: number[] = [];
  const incarnations = new Set<string>();
  const follow = async (): Promise<void> => {
    while (!signal.aborted)
      try {
        const watch = catalog.watch({ prefix: "w/", afterRevision: revisions.at(-1) ?? 0 }, signal);
        for await (const event of watch) take(event);
      } catch (error) {
        failsWith("MERIDIAN_CATALOG_UNAVAILABLE")(error);
        await delay(20);
      }
  };
  const take = (event: WatchEvent) => {
    incarnations.add(event.incarnation);
    if (event.kind !== "revision") return;
    assert.equal(event.changes.length, PARTS.length, "a revision is delivered whole");
    revisions.push(event.revision);
  };
  return { revisions, incarnations, ended: follow() };
}

async function everything(catalog: Catalog): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let afterKey = "";
  for (let more = true; more;) {
    const page = await catalog.range({ prefix: "w/", afterKey, limit: 500 });
    assert.equal(page.kind, "page");
    for (const { key, modRevision } of page.records) found.set(key, modRevision);
    afterKey = page.records.at(-1)?.key ?? "";
    more = page.more;
  }
  return found;
}

const readWhenUp = (catalog: Catalog, key: string) => read(catalog, key).catch(() => undefined);
