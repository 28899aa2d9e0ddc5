import assert from "node:assert/strict";
import { after, before } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, Operation } from "#lib/ports/catalog.ts";
import { failsWith, newestRevision, until } from "../../contract/catalog/support.ts";
import { findEngine } from "../find-engine.ts";
import { type EtcdCluster, startEtcdCluster } from "../start-etcd-cluster.ts";

const engine = await findEngine("etcd");
/** For `test`: skips, with the reason, where there is no etcd. */
export const needsEtcd = { skip: engine.kind === "missing" && engine.reason };
export const etcdProgram = engine.kind === "found" ? engine.path : "";

/** One cluster of three members for all tests of a file; `prepare` comes before the first of them. */
export function sharedCluster(
  flags: readonly string[] = [],
  prepare: (endpoints: readonly string[]) => Promise<void> = async () => undefined,
): () => readonly string[] {
  let cluster: EtcdCluster | undefined;
  const ends: (() => Promise<void>)[] = [];
  before(async () => {
    if (needsEtcd.skip !== false) return;
    cluster = await startEtcdCluster({ after: (end) => void ends.push(end) }, etcdProgram, flags);
    await prepare(cluster.endpoints);
  });
  after(async () => {
    for (const end of ends) await end();
  });
  return () => cluster?.endpoints ?? [];
}

/** Keys by what their writer was told of them. */
export interface Told {
  readonly acknowledged: Map<string, number>;
  readonly notMade: Set<string>;
  readonly inDoubt: Set<string>;
}

export const nothingTold = (): Told => ({
  acknowledged: new Map(),
  notMade: new Set(),
  inDoubt: new Set(),
});

/** Writes each key once, in transactions of so many; what was not made is not repeated, so that its keys must never appear. */
export async function writeOnce(
  catalog: Catalog,
  keys: readonly string[],
  perTransaction: number,
  told: Told,
): Promise<void> {
  for (let first = 0; first < keys.length; first += perTransaction) {
    const written = keys.slice(first, first + perTransaction);
    const operations = written.map((key): Operation => ({ kind: "put", key, value: key }));
    try {
      const result = await catalog.txn({ compares: [], operations });
      assert.equal(result.kind, "committed");
      for (const key of written) told.acknowledged.set(key, result.revision);
    } catch (error) {
      assert.ok(error instanceof MeridianError, String(error));
      if (error.code === "MERIDIAN_WRITE_AMBIGUOUS")
        written.forEach((key) => told.inDoubt.add(key));
      else {
        failsWith("MERIDIAN_CATALOG_UNAVAILABLE")(error);
        written.forEach((key) => told.notMade.add(key));
      }
      await delay(20);
    }
  }
}

/** As a replica does: each change with its revision, watching on where it was after each break. */
export interface Followed {
  readonly revisions: number[];
  /** The revision that wrote it, in the order of arrival; several for a key delivered several times. */
  readonly written: Map<string, number[]>;
  readonly compactions: number[];
  readonly breaks: () => number;
  readonly ended: Promise<void>;
}

export async function follow(
  catalog: Catalog,
  prefix: string,
  signal: AbortSignal,
): Promise<Followed> {
  let afterRevision = await newestRevision(catalog);
  let breaks = 0;
  const revisions: number[] = [];
  const written = new Map<string, number[]>();
  const compactions: number[] = [];
  const run = async (): Promise<void> => {
    while (!signal.aborted)
      try {
        for await (const event of catalog.watch({ prefix, afterRevision }, signal)) {
          if (event.kind === "compacted") {
            compactions.push(event.compactRevision);
            return;
          }
          afterRevision = Math.max(afterRevision, event.revision);
          if (event.kind === "progress") continue;
          revisions.push(event.revision);
          for (const change of event.changes)
            if (change.kind === "put") {
              const { key, modRevision } = change.record;
              written.set(key, [...(written.get(key) ?? []), modRevision]);
            }
        }
      } catch (error) {
        failsWith("MERIDIAN_CATALOG_UNAVAILABLE")(error);
        breaks += 1;
        await delay(50);
      }
  };
  return { revisions, written, compactions, breaks: () => breaks, ended: run() };
}

/** Every record below the prefix, page by page at one revision. */
export async function readEverything(
  catalog: Catalog,
  prefix: string,
): Promise<Map<string, { readonly value: string; readonly modRevision: number }>> {
  const found = new Map<string, { value: string; modRevision: number }>();
  let afterKey = "";
  let atRevision: number | undefined;
  for (let more = true; more;) {
    const page = await catalog.range({
      prefix,
      afterKey,
      ...(atRevision !== undefined && { atRevision }),
    });
    assert.equal(page.kind, "page");
    atRevision = page.revision;
    for (const { key, value, modRevision } of page.records) found.set(key, { value, modRevision });
    afterKey = page.records.at(-1)?.key ?? afterKey;
    more = page.more;
  }
  return found;
}

/** Nothing acknowledged is lost, nothing said not to be made is there, and the watch told of each record once, in order. */
export async function assertExactlyOnce(
  catalog: Catalog,
  prefix: string,
  told: Told,
  followed: Followed | undefined,
): Promise<void> {
  const records = await readEverything(catalog, prefix);
  for (const [key, revision] of told.acknowledged)
    assert.equal(records.get(key)?.modRevision, revision, `${key} was acknowledged at ${revision}`);
  for (const key of told.notMade) assert.ok(!records.has(key), `${key} was said not to be made`);
  for (const key of records.keys())
    assert.ok(told.acknowledged.has(key) || told.inDoubt.has(key), `nobody was told of ${key}`);
  if (followed === undefined) return;
  await until(() => followed.written.size >= records.size, "the watch hears of every record");
  for (const [key, { modRevision }] of records)
    assert.deepEqual(followed.written.get(key), [modRevision], `${key} was delivered once`);
  const sorted = [...new Set(followed.revisions)].toSorted((a, b) => a - b);
  assert.deepEqual(followed.revisions, sorted, "in order, none twice");
}

export const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(6, "0")}`);
