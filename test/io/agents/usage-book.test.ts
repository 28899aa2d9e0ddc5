import assert from "node:assert/strict";
import { copyFile, mkdtemp, open, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { AgentUsageQuery } from "#lib/contracts/usage.ts";
import { HOUR_MS, type UsageBatch } from "../../../agents/core/usage-meter.ts";
import { openUsageBook, type UsageBook } from "../../../agents/io/usage-book.ts";

const DAY_MS = 24 * HOUR_MS;
/** 2026-11-21T00:00Z. */
const TODAY_MS = 1_795_219_200_000;
const ALL: AgentUsageQuery = {
  fromMs: 0,
  toMs: TODAY_MS + 400 * DAY_MS,
  interval: "total",
  by: "tenant",
  limit: 1_000,
};

let folder: string;
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "usage-book-"));
});
after(() => rm(folder, { recursive: true, force: true }));
const newFile = (): string => join(folder, `book-${(count += 1)}.db`);

const openBook = (file: string, { bootId = "boot", wallMs = TODAY_MS, bytesMax = 2 ** 24 } = {}) =>
  openUsageBook({ file, bootId, wallMs, bytesMax }, (cause) => assert.fail(String(cause)));

const batchOf = (
  sequence: number,
  startMs = TODAY_MS,
  functionNames: readonly string[] = ["hello"],
): UsageBatch => ({
  sequence,
  rows: functionNames.map((functionName) => ({
    startMs,
    tenant: "demo",
    functionName,
    version: 1,
    invocations: 1,
    errors: 0,
    initErrors: 0,
    coldStarts: 0,
    billedMs: 10,
    egressBytes: 100,
    megabyteMs: 1_280,
  })),
});
const callsIn = (book: UsageBook, query = ALL): number =>
  book.read(query).rows.reduce((sum, { invocations }) => sum + invocations, 0);

test("what is added is there for the next process, and a batch that comes again is not added again", () => {
  const file = newFile();
  const book = openBook(file);
  book.add(batchOf(1), TODAY_MS);
  book.add(batchOf(2), TODAY_MS);
  book.add(batchOf(2), TODAY_MS);
  book.add(batchOf(1), TODAY_MS);
  book.close();
  const next = openBook(file, { bootId: "next boot" });
  next.add(batchOf(1), TODAY_MS);
  assert.equal(callsIn(next), 3);
  assert.equal(next.bookId, book.bookId);
  next.close();
});

test("whatever byte a crash cuts the file at, the book is a prefix of what was added, and can be gone on with", async () => {
  const file = newFile();
  const book = openBook(file);
  const batches = 12;
  const sizes: number[] = [];
  for (let sequence = 1; sequence <= batches; sequence += 1) {
    book.add(batchOf(sequence), TODAY_MS);
    sizes.push((await stat(`${file}-wal`)).size);
  }
  const end = sizes.at(-1) ?? 0;
  const cuts = Array.from({ length: 60 }, (_, index) => Math.floor((end * index) / 59));
  let found = 0;
  for (const cut of [...cuts, ...sizes, ...sizes.map((size) => size - 1)].toSorted(
    (a, b) => a - b,
  )) {
    const copy = newFile();
    await copyFile(file, copy);
    await copyFile(`${file}-wal`, `${copy}-wal`);
    await truncate(`${copy}-wal`, cut);
    const after = openBook(copy);
    const whole = sizes.filter((size) => size <= cut).length;
    assert.equal(callsIn(after), whole, `cut at ${cut} of ${end}`);
    assert.ok(whole >= found);
    found = whole;
    for (let sequence = 1; sequence <= batches; sequence += 1)
      after.add(batchOf(sequence), TODAY_MS);
    assert.equal(callsIn(after), batches, `gone on with after a cut at ${cut}`);
    after.close();
  }
  assert.equal(found, batches);
  book.close();
});

test("hours become days after eight, and days go after four hundred, one at a time", () => {
  const book = openBook(newFile());
  const oldMs = TODAY_MS - 20 * DAY_MS;
  book.add(batchOf(1, oldMs + HOUR_MS), TODAY_MS - 20 * DAY_MS);
  book.add(batchOf(2, oldMs + 2 * HOUR_MS), TODAY_MS - 20 * DAY_MS);
  book.add(batchOf(3, TODAY_MS + HOUR_MS), TODAY_MS + HOUR_MS);
  const hours = { ...ALL, interval: "hour" } as const;
  assert.deepEqual(
    book.read(hours).rows.map(({ startMs, endMs, invocations }) => [startMs, endMs, invocations]),
    [
      [oldMs, oldMs + DAY_MS, 2],
      [TODAY_MS + HOUR_MS, TODAY_MS + 2 * HOUR_MS, 1],
    ],
  );
  // Late, from before a clock was put right: added to its day when the next hour is looked at.
  book.add(batchOf(4, oldMs + 3 * HOUR_MS), TODAY_MS + 2 * HOUR_MS);
  assert.equal(book.read(hours).rows[0]?.invocations, 3);
  assert.equal(book.add(batchOf(5), oldMs + 500 * DAY_MS).removedRows, 1);
  assert.equal(callsIn(book), 2);
  book.close();
});

test("rows are divided by time and name, filtered, and read page by page", () => {
  const book = openBook(newFile());
  const names = ["a", "b", "c"];
  for (let hour = 0; hour < 3; hour += 1)
    book.add(batchOf(hour + 1, TODAY_MS + hour * HOUR_MS, names), TODAY_MS + hour * HOUR_MS);
  const query = { ...ALL, interval: "hour", by: "version", limit: 4 } as const;
  const first = book.read(query).rows;
  const last = first.at(-1);
  assert.ok(last !== undefined);
  const { startMs, tenant, functionName, version } = last;
  const rest = book.read({
    ...query,
    limit: 100,
    since: { startMs, tenant, ...(functionName && { functionName }), ...(version && { version }) },
  }).rows;
  assert.deepEqual(
    [...first, ...rest.slice(1)].map((row) => [row.startMs - TODAY_MS, row.functionName]),
    [0, 1, 2].flatMap((hour) => names.map((name) => [hour * HOUR_MS, name])),
  );
  const totals = book.read({ ...ALL, by: "function" }).rows;
  assert.deepEqual(
    totals.map((row) => [row.functionName, row.version, row.invocations, row.startMs]),
    names.map((name) => [name, undefined, 3, 0]),
  );
  const days = book.read({ ...ALL, interval: "day" }).rows;
  assert.deepEqual(
    days.map((row) => [row.startMs, row.endMs, row.invocations, row.functionName]),
    [[TODAY_MS, TODAY_MS + DAY_MS, 9, undefined]],
  );
  const hour = { fromMs: TODAY_MS + HOUR_MS, toMs: TODAY_MS + 2 * HOUR_MS };
  assert.equal(callsIn(book, { ...ALL, ...hour }), 3);
  assert.equal(callsIn(book, { ...ALL, ...hour, functionName: "b" }), 1);
  assert.equal(callsIn(book, { ...ALL, tenant: "acme" }), 0);
  book.close();
});

test("a book that is full adds up its hours, then lets its oldest days go, and never what today used", () => {
  const book = openBook(newFile(), { bytesMax: 2 ** 20, wallMs: TODAY_MS });
  const names = Array.from({ length: 1_000 }, (_, index) => `function-${index}`);
  let removed = 0;
  let sequence = 0;
  const add = (startMs: number): void => {
    sequence += 1;
    removed += book.add(batchOf(sequence, startMs, names), startMs).removedRows;
  };
  for (let hour = 0; hour < 4; hour += 1) add(TODAY_MS - 2 * DAY_MS + hour * HOUR_MS);
  assert.equal(removed, 0);
  for (let day = 1; day <= 8; day += 1) add(TODAY_MS - DAY_MS + day * DAY_MS);
  assert.ok(removed > 0);
  const today = { ...ALL, fromMs: TODAY_MS + 7 * DAY_MS, by: "function" } as const;
  assert.equal(book.read(today).rows.length, 1_000);
  assert.equal(callsIn(book) + removed, 12_000 - 3_000);
  book.close();
});

test("a damaged book is put aside, not overwritten, and another is begun", async () => {
  const file = newFile();
  await writeFile(file, "this is no database, and long enough to look like one ".repeat(200));
  const causes: string[] = [];
  const options = { file, bootId: "boot", wallMs: 7, bytesMax: 2 ** 24 };
  const book = openUsageBook(options, (cause) => causes.push(String(cause)));
  book.add(batchOf(1), TODAY_MS);
  assert.equal(callsIn(book), 1);
  assert.equal(causes.length, 1);
  assert.ok((await readdir(folder)).some((name) => name.endsWith(".7.damaged")));
  book.close();
});

test("damage behind a good beginning is met when the book is opened, and not by whoever reads in it", async () => {
  const file = newFile();
  fillBook(file);
  const handle = await open(file, "r+");
  await handle.write(Buffer.alloc(64 * 1024, "damage"), 0, undefined, 32 * 1024);
  await handle.close();
  const causes: string[] = [];
  const options = { file, bootId: "next", wallMs: TODAY_MS, bytesMax: 2 ** 24 };
  const book = openUsageBook(options, (cause) => causes.push(String(cause)));
  assert.equal(causes.length, 1);
  assert.equal(callsIn(book), 0);
  book.close();
});

test("where there is no room to tidy up, the book opens and can be read", async () => {
  const file = newFile();
  fillBook(file);
  const { size } = await stat(file);
  const wallMs = TODAY_MS + 9 * DAY_MS;
  const book = openBook(file, { bootId: "next", wallMs, bytesMax: size });
  assert.equal(callsIn(book), 3_000);
  book.close();
});

/** Three thousand functions, one call each. */
function fillBook(file: string): void {
  const book = openBook(file);
  const names = Array.from({ length: 3_000 }, (_, index) => `function-${index}`);
  book.add(batchOf(1, TODAY_MS, names), TODAY_MS);
  book.close();
}
