import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { pino } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { followsInChain } from "../../../federator/io/audit/audit-chain.ts";
import { openAuditFile } from "../../../federator/io/audit/audit-file.ts";
import { openAudit } from "../../../federator/io/audit/audit.ts";

const log = pino({ level: "silent" });
let directory: string;
let catalog: Catalog;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "meridian-audit-"));
  catalog = createMemoryCatalog({ clock: systemClock });
});
afterEach(async () => {
  await catalog.close();
  await rm(directory, { recursive: true, force: true });
});

const change = (subject: string, tenant = "demo"): ChangeRecord => ({
  action: "functions.deploy",
  actor: "k",
  requestId: "r",
  tenant,
  subject,
  detail: {},
  atMs: 1,
});
const write = async (subject: string, tenant?: string): Promise<number> => {
  const value = JSON.stringify(change(subject, tenant));
  const result = await catalog.txn({
    compares: [],
    operations: [{ kind: "put", key: keys.change(), value }],
  });
  return result.revision;
};
const open = () => openAudit({ directory, catalog, clock: systemClock, log });
const soon = () => AbortSignal.timeout(5_000);
const all = { tenant: null, outcome: null, limit: 1_000 };

test("every change is written once, in order and chained, over restarts and while nobody listened", async () => {
  const first = await open();
  await first.waitFor(await write("a"), soon());
  await first.refused(change("b"));
  await first.close();
  await write("c");
  const second = await open();
  await second.waitFor(await write("d"), soon());
  const entries = (await second.page(all)).toReversed();
  await second.close();

  assert.deepEqual(
    entries.map(({ change: { subject }, outcome }) => `${outcome} ${subject}`),
    ["done a", "refused b", "done c", "done d"],
  );
  entries.forEach((entry, index) => assert.ok(followsInChain(entries[index - 1], entry)));
  const [, forged] = entries;
  assert.ok(forged !== undefined);
  assert.ok(!followsInChain(entries[0], { ...forged, outcome: "done" }), "a change of it shows");
});

test("a last line torn by a crash is cut off, and its revision written again", async () => {
  const first = await open();
  await first.waitFor(await write("a"), soon());
  await first.waitFor(await write("b"), soon());
  await first.close();
  const folder = join(directory, "audit");
  const [name] = await readdir(folder);
  const path = join(folder, name ?? "");
  const text = await readFile(path, "utf8");
  for (const torn of [
    text.slice(0, -20),
    text.slice(0, -1),
    text.slice(0, text.indexOf("\n") + 1),
  ]) {
    await writeFile(path, torn);
    const again = await open();
    await again.waitFor(2, soon());
    assert.deepEqual(
      (await again.page(all)).map(({ revision, change: { subject } }) => `${revision} ${subject}`),
      ["2 b", "1 a"],
    );
    await again.close();
    assert.equal(await readFile(path, "utf8"), text, "the same bytes as before");
  }
  await appendFile(path, "garbage that ends with a line\n");
  const last = await open();
  await last.waitFor(await write("c"), soon());
  const entries = (await last.page(all)).toReversed();
  entries.forEach((entry, index) => assert.ok(followsInChain(entries[index - 1], entry)));
  assert.equal(entries.length, 3);
  await last.close();
});

test("changes that were compacted away are skipped, and the chain goes on", async () => {
  await write("lost");
  await write("lost too");
  const kept = await write("kept");
  await catalog.compact(kept - 1);
  const audit = await open();
  await audit.waitFor(kept, soon());
  assert.deepEqual(
    (await audit.page(all)).map(({ change: { subject } }) => subject),
    ["kept"],
  );
  await audit.close();
});

test("tenants are told apart, newest first, up to the limit", async () => {
  const audit = await open();
  for (const subject of ["1", "2", "3"]) await write(subject, "demo");
  await audit.waitFor(await write("4", "acme"), soon());
  const page = await audit.page({ tenant: "demo", outcome: null, limit: 2 });
  assert.deepEqual(
    page.map(({ change: { subject } }) => subject),
    ["3", "2"],
  );
  await audit.close();
});

test("a flood of refused attempts is counted, not written", async () => {
  let nowMs = 0;
  const clock = { ...systemClock, nowMs: () => nowMs };
  const audit = await openAudit({ directory, catalog, clock, log });
  for (let count = 0; count < 50; count += 1) await audit.refused(change("x"));
  nowMs = 1_000;
  await audit.refused(change("last"));
  const [newest, ...older] = await audit.page(all);
  assert.equal(newest?.change.detail.suppressed, 30);
  assert.equal(older.length, 20);
  await audit.close();
});

test("files are bounded in size and number, and the chain goes through them and over a restart", async () => {
  const limits = { fileBytesMax: 2_000, filesMax: 3 };
  const first = await openAuditFile(directory, limits);
  for (let count = 1; count <= 40; count += 1)
    await first.append({ revision: null, outcome: "refused", change: change(`${count}`) });
  await first.close();
  const second = await openAuditFile(directory, limits);
  await second.append({ revision: null, outcome: "refused", change: change("41") });
  const entries = (await second.newest(1_000, () => true, null)).toReversed();
  await second.close();
  assert.equal((await readdir(directory)).length, 3);
  assert.equal(entries.at(-1)?.sequence, 41);
  assert.ok(entries.length < 30 && entries.length > 5, String(entries.length));
  entries.forEach((entry, index) => {
    if (index > 0) assert.ok(followsInChain(entries[index - 1], entry));
  });
});
