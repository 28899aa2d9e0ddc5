import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Catalog, Compare, Operation, WatchEvent } from "#lib/ports/catalog.ts";
import { openMemory, openSqlite, temporaryDirectory } from "./support/open-catalogs.ts";

/** Leases are named by the order of their granting, since each driver names its own. */
type Step =
  | { readonly kind: "txn"; readonly compares: readonly Compare[]; readonly puts: readonly Put[] }
  | {
      readonly kind: "range";
      readonly prefix: string;
      readonly back: number;
      readonly limit: number;
    }
  | { readonly kind: "watch"; readonly prefix: string; readonly back: number }
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "grant" }
  | { readonly kind: "revoke"; readonly lease: number };
interface Put {
  readonly key: string;
  /** Null deletes. */
  readonly value: string | null;
  readonly lease: number | null;
}

const key = fc.constantFrom("a", "a/", "a/1", "a/2", "a0", "b", "b/1", "~");
const prefix = fc.constantFrom("", "a", "a/", "b/1", "~", "z");
const back = fc.nat({ max: 12 });
const lease = fc.nat({ max: 2 });
const revision = fc.nat({ max: 25 });
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({ kind: fc.constantFrom("absent", "present"), key }),
  fc.record({ kind: fc.constantFrom("modified-at", "created-at"), key, revision }),
);
const putOrDelete: fc.Arbitrary<Put> = fc.record({
  key,
  value: fc.option(fc.string({ unit: "binary" })),
  lease: fc.option(lease),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("txn"),
      compares: fc.array(compare, { maxLength: 1 }),
      puts: fc.array(putOrDelete, { maxLength: 5 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("range"),
      prefix,
      back,
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("watch"), prefix, back }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact"), back: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("grant") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("revoke"), lease }) },
);

test("memory and SQLite give the same answers to the same calls", async (t) => {
  const seen = { committed: 0, compacted: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const inMemory = await openMemory(t);
      const memory = await replay(steps, inMemory, async () => inMemory);
      const databaseFile = join(await temporaryDirectory(t), "catalog.sqlite");
      const written = await openSqlite(t, databaseFile);
      const sqlite = await replay(steps, written, async () => {
        await written.close();
        return await openSqlite(t, databaseFile);
      });
      assert.deepEqual(sqlite, memory);
      for (const answer of memory.map((one) => JSON.stringify(one)))
        for (const word of ["committed", "compacted", "refused"] as const)
          if (answer.includes(word)) seen[word] += 1;
    }),
    { numRuns: 25 },
  );
  for (const [word, count] of Object.entries(seen))
    assert.ok(count > 10, `${word} was tried ${count} times only`);
});

/** All answers and the history left at the end, with what each driver names for itself replaced. */
async function replay(
  steps: readonly Step[],
  catalog: Catalog,
  reopen: () => Promise<Catalog>,
): Promise<unknown[]> {
  const leaseIds = [await catalog.grantLease(60_000), await catalog.grantLease(60_000)];
  const answers: unknown[] = [];
  for (const step of steps) answers.push(await take(step, catalog, leaseIds).catch(describe));
  const reopened = await reopen();
  const { incarnation, revision } = await firstPage(reopened);
  for (let past = 0; past <= revision; past++) {
    answers.push(await reopened.range({ prefix: "", atRevision: past }));
    answers.push(await history(reopened, "", past, revision));
  }
  await reopened.close();
  let text = JSON.stringify(answers).replaceAll(incarnation, "incarnation");
  leaseIds.forEach((leaseId, index) => (text = text.replaceAll(leaseId, `lease ${index}`)));
  return JSON.parse(text) as unknown[];
}

async function take(step: Step, catalog: Catalog, leaseIds: string[]): Promise<unknown> {
  const { revision: newest } = await firstPage(catalog);
  const leaseId = (lease: number) => leaseIds[lease] ?? "unknown";
  switch (step.kind) {
    case "txn":
      return await catalog.txn({
        compares: step.compares,
        operations: step.puts.map(({ key, value, lease }): Operation => {
          if (value === null) return { kind: "delete", key };
          const put: Operation = { kind: "put", key, value };
          return lease === null ? put : { ...put, leaseId: leaseId(lease) };
        }),
      });
    case "range":
      return await catalog.range({
        prefix: step.prefix,
        atRevision: Math.max(0, newest - step.back + 1),
        limit: step.limit,
        afterKey: step.back % 2 === 0 ? "" : "a/1",
      });
    case "watch":
      return await history(catalog, step.prefix, Math.max(0, newest - step.back), newest);
    case "compact":
      return await catalog.compact(Math.max(0, newest - step.back + 1));
    case "grant":
      leaseIds.push(await catalog.grantLease(60_000));
      return "granted";
    case "revoke":
      return await catalog.revokeLease(leaseId(step.lease));
  }
}

/** What a watch delivers up to the newest revision; where that one is of another prefix, progress tells of it. */
async function history(
  catalog: Catalog,
  prefix: string,
  afterRevision: number,
  newest: number,
): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  const stopping = new AbortController();
  for await (const event of catalog.watch({ prefix, afterRevision }, stopping.signal)) {
    if (event.kind !== "progress") events.push(event);
    if (event.kind !== "compacted" && event.revision >= newest) stopping.abort();
  }
  return events;
}

async function firstPage(catalog: Catalog): Promise<{ incarnation: string; revision: number }> {
  const page = await catalog.range({ prefix: "", limit: 1 });
  assert.equal(page.kind, "page");
  return page;
}

const describe = (error: unknown): string => `refused: ${String(error)}`;
