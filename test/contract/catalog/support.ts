import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { TestContext } from "node:test";
import { isErrorCode, type MeridianError } from "#lib/errors.ts";
import type { Catalog, CatalogRecord, Operation, WatchEvent } from "#lib/ports/catalog.ts";

export type OpenCatalog = (t: TestContext) => Promise<Catalog>;

/** Far beyond what any case takes on a machine with much else to do; reaching it is a failure. */
const PATIENCE_MS = 60_000;

export const put = (key: string, value = "", leaseId?: string): Operation =>
  leaseId === undefined ? { kind: "put", key, value } : { kind: "put", key, value, leaseId };
export const remove = (key: string): Operation => ({ kind: "delete", key });

/** Makes the changes in one transaction and returns its revision. */
export async function commit(catalog: Catalog, ...operations: Operation[]): Promise<number> {
  const result = await catalog.txn({ compares: [], operations });
  assert.equal(result.kind, "committed");
  return result.revision;
}

export async function read(catalog: Catalog, key: string): Promise<CatalogRecord | undefined> {
  return (await readAll(catalog, key)).find((record) => record.key === key);
}

export async function readAll(
  catalog: Catalog,
  prefix: string,
  atRevision?: number,
): Promise<readonly CatalogRecord[]> {
  const page = await catalog.range(atRevision === undefined ? { prefix } : { prefix, atRevision });
  assert.equal(page.kind, "page");
  return page.records;
}

/** The newest revision: where a watch begins that is to hear what comes. History before it may be another case's, and compacted. */
export async function newestRevision(catalog: Catalog): Promise<number> {
  const page = await catalog.range({ prefix: "", limit: 1 });
  assert.equal(page.kind, "page");
  return page.revision;
}

/** Asserts the code of a refusal. */
export const failsWith = (code: string) => (error: unknown) => {
  assert.ok(isErrorCode(code));
  assert.equal((error as MeridianError).code, code, String(error));
  return true;
};

/** Waits for the condition, not for a time. */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endsAtMs = performance.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    assert.ok(performance.now() < endsAtMs, `never happened: ${what}`);
    await delay(10);
  }
}

export interface Watcher {
  /** Everything delivered so far. */
  readonly events: readonly WatchEvent[];
  /** `KEY=VALUE` or `KEY gone` per change, with the revision in front. */
  readonly changes: () => string[];
  /** The revisions of the changes, each once. */
  readonly revisions: () => number[];
  readonly until: (isTrue: () => boolean, what: string) => Promise<void>;
  /** Resolves when the watch has ended; rejects when it failed. */
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Reads the watch in the background until the test is over. */
export function watching(
  t: TestContext,
  catalog: Catalog,
  prefix: string,
  afterRevision: number,
): Watcher {
  const stopping = new AbortController();
  const events: WatchEvent[] = [];
  const ended = (async () => {
    for await (const event of catalog.watch({ prefix, afterRevision }, stopping.signal))
      events.push(event);
  })();
  ended.catch(() => undefined);
  t.after(() => stopping.abort());
  return {
    events,
    ended,
    changes: () => events.flatMap(describeEvent),
    revisions: () => events.flatMap((event) => (event.kind === "revision" ? [event.revision] : [])),
    until: async (isTrue, what) => {
      await until(isTrue, `${what}; delivered: ${JSON.stringify(events).slice(0, 2_000)}`);
    },
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

function describeEvent(event: WatchEvent): string[] {
  if (event.kind !== "revision") return [];
  return event.changes.map((change) =>
    change.kind === "put"
      ? `${event.revision} ${change.record.key}=${change.record.value}`
      : `${event.revision} ${change.key} gone`,
  );
}
