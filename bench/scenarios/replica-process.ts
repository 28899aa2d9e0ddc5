import assert from "node:assert/strict";
import { rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { Catalog, CatalogRecord, Change, Operation } from "#lib/ports/catalog.ts";
import { startReplica } from "../../federator/io/replica/replica.ts";
import { openReplicaStore } from "../../federator/io/replica/sqlite-replica-store.ts";
import type { FigureReading } from "../figures.ts";

/* One reading of `npm run bench -- replica`, in a process of its own; prints its figures as JSON. */
const PAGE_RECORDS = 2_000;
/** A deploy changes three records and tells its story. */
const RECORDS_PER_REVISION = 4;
const LISTS = 1_000;
const BYTES_PER_MEGABYTE = 1_000_000;
const log = pino({ level: "silent" });
const [, , kind = "", file = "", count = "0"] = process.argv;
const modes: Readonly<Record<string, (count: number) => Promise<FigureReading[]>>> = {
  fill,
  restart,
  apply,
  resume,
};
const mode = modes[kind];
if (mode === undefined) throw new Error(`there is no reading ${kind}`);
process.stdout.write(JSON.stringify(await mode(Number(count))));

/** In key order, as a catalog pages them: aliases, functions, versions. */
function* recordsOf(functions: number, modRevision = 1): Generator<CatalogRecord, void> {
  const version = JSON.stringify({
    tenant: "tenant-0000",
    functionName: "function-0000000",
    version: 1,
    codeDigest: "0".repeat(64),
    codeBytes: 10_000,
    manifest: { runtime: "node", handler: "index.handler", memoryMegabytes: 128, timeoutMs: 3_000 },
    createdAtMs: 1_790_000_000_000,
  });
  for (const [prefix, suffix, value] of [
    ["aliases", "/live", version.slice(0, 140)],
    ["functions", "", version.slice(0, 110)],
    ["versions", "/0000000001", version],
  ] as const)
    for (let index = 0; index < functions; index += 1) {
      const tenant = `tenant-${String(Math.floor(index / 1_000)).padStart(4, "0")}`;
      const key = `${prefix}/${tenant}/function-${String(index).padStart(7, "0")}${suffix}`;
      yield { key, value: `${value}${index}`, createRevision: 1, modRevision, leaseId: null };
    }
}

function* chunks<T>(items: Iterable<T>, size: number): Generator<T[], void> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

interface Cost {
  readonly seconds: number;
  readonly cpuMicros: number;
}

async function costOf(work: () => Promise<void> | void): Promise<Cost> {
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  return { seconds: (performance.now() - startedAtMs) / 1_000, cpuMicros: user + system };
}

async function fill(functions: number): Promise<FigureReading[]> {
  const records = functions * 3;
  const store = await openReplicaStore(file, log, assert.fail);
  const own = await costOf(async () => {
    await store.run("beginSnapshot", false);
    for (const page of chunks(recordsOf(functions), PAGE_RECORDS))
      await store.run("addPage", { records: page, isLast: false });
    await store.run("addPage", { records: [], isLast: true });
    await store.run("sumUp");
    await store.run("commitSnapshot", { incarnation: "bench", revision: 1 });
  });
  await store.close();

  const plain = openPlain(`${file}.plain`);
  const peer = await costOf(() => {
    plain.database.exec("BEGIN");
    for (const record of recordsOf(functions)) plain.put(record);
    plain.database.exec("COMMIT");
  });
  plain.database.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}.plain${suffix}`, { force: true });
  const name = `first copy of ${records} records`;
  return [
    { figure: name, unit: "records/s", value: records / own.seconds, peer: records / peer.seconds },
    {
      figure: name,
      unit: "CPU µs/record",
      value: own.cpuMicros / records,
      peer: peer.cpuMicros / records,
    },
  ].map((reading) => ({ ...reading, figure: `${name}, ${reading.unit}` }));
}

function openPlain(plainFile: string) {
  const database = new DatabaseSync(plainFile);
  database.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE records (key TEXT PRIMARY KEY, value TEXT, createRevision INTEGER, modRevision INTEGER, leaseId TEXT) STRICT;
  `);
  const upsert = database.prepare(
    `INSERT INTO records VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value,
       createRevision = excluded.createRevision, modRevision = excluded.modRevision, leaseId = excluded.leaseId`,
  );
  const put = ({ key, value, createRevision, modRevision, leaseId }: CatalogRecord): void => {
    upsert.run(key, value, createRevision, modRevision, leaseId);
  };
  return { database, put };
}

async function restart(functions: number): Promise<FigureReading[]> {
  const records = functions * 3;
  const startedAtMs = performance.now();
  const store = await openReplicaStore(file, log, assert.fail);
  const index = String(functions - 1).padStart(7, "0");
  const tenant = `tenant-${String(Math.floor((functions - 1) / 1_000)).padStart(4, "0")}`;
  if (store.reads.get(`functions/${tenant}/function-${index}`) === undefined)
    throw new Error("the copy lacks its last function");
  if (store.reads.page(`functions/${tenant}/`, "", 100).length === 0) throw new Error("no page");
  const servesMs = performance.now() - startedAtMs;
  const countedAtMs = performance.now();
  if (store.reads.count("functions/") !== functions) throw new Error("functions are missing");
  const countMs = performance.now() - countedAtMs;
  const scannedAtMs = performance.now();
  let afterKey = "";
  for (let size = 1_000; size === 1_000;) {
    const page = store.reads.page("", afterKey, 1_000);
    ({ length: size } = page);
    afterKey = page.at(-1)?.key ?? afterKey;
  }
  const scanSeconds = (performance.now() - scannedAtMs) / 1_000;
  const rssBytes = process.memoryUsage.rss();
  const listedAtMs = performance.now();
  for (let count = 0; count < LISTS; count += 1)
    store.reads.page(`versions/${tenant}/function-${index}/`, "", Number.MAX_SAFE_INTEGER);
  const listMicros = ((performance.now() - listedAtMs) * 1_000) / LISTS;
  await store.close();
  const name = `${records} records:`;
  return [
    { figure: `${name} restart until reads are answered`, unit: "ms", value: servesMs },
    { figure: `${name} count of all functions`, unit: "ms", value: countMs },
    { figure: `${name} list of one function's versions`, unit: "µs", value: listMicros },
    { figure: `${name} scan of everything`, unit: "s", value: scanSeconds },
    {
      figure: `${name} RSS of a process with the replica, after the scan`,
      unit: "MB",
      value: rssBytes / BYTES_PER_MEGABYTE,
    },
    {
      figure: `${name} its file`,
      unit: "MB",
      value: statSync(file).size / BYTES_PER_MEGABYTE,
    },
  ];
}

async function apply(revisions: number): Promise<FigureReading[]> {
  const pool = [...recordsOf(5_000)];
  const changesOf = (revision: number): Change[] =>
    Array.from({ length: RECORDS_PER_REVISION }, (_, at) => {
      const record = pool[(revision * 7_919 + at * 104_729) % pool.length];
      if (record === undefined) throw new Error("the pool is empty");
      return { kind: "put", record: { ...record, modRevision: revision } };
    });
  const store = await openReplicaStore(file, log, assert.fail);
  const own = await costOf(async () => {
    for (let revision = 1; revision <= revisions; revision += 1)
      await store.run("apply", { incarnation: "bench", revision }, changesOf(revision));
  });
  await store.close();
  const plain = openPlain(`${file}.plain`);
  const peer = await costOf(() => {
    for (let revision = 1; revision <= revisions; revision += 1) {
      plain.database.exec("BEGIN IMMEDIATE");
      for (const change of changesOf(revision)) if (change.kind === "put") plain.put(change.record);
      plain.database.exec("COMMIT");
    }
  });
  plain.database.close();
  const records = revisions * RECORDS_PER_REVISION;
  return [
    {
      figure: `revisions of ${RECORDS_PER_REVISION} records, one by one`,
      unit: "revisions/s",
      value: revisions / own.seconds,
      peer: revisions / peer.seconds,
    },
    {
      figure: "the same, CPU",
      unit: "CPU µs/record",
      value: own.cpuMicros / records,
      peer: peer.cpuMicros / records,
    },
  ];
}

/** 1 % of the functions changed, and their history forgotten, while the zone was away. */
async function resume(functions: number): Promise<FigureReading[]> {
  const catalog = createMemoryCatalog({ clock: systemClock });
  const operationOf = ({ key, value }: CatalogRecord): Operation => ({ kind: "put", key, value });
  let revision = 0;
  for (const page of chunks(recordsOf(functions), 100))
    ({ revision } = await catalog.txn({ compares: [], operations: page.map(operationOf) }));
  const before = await follow(catalog, revision);
  await before.close();
  const changed = [...recordsOf(functions)].filter((_, index) => index % 100 === 0);
  for (const page of chunks(changed, 100))
    ({ revision } = await catalog.txn({
      compares: [],
      operations: page.map(({ key, value }) => ({ kind: "put", key, value: `${value} changed` })),
    }));
  await catalog.compact(revision);

  const fileBytes = statSync(file).size;
  const startedAtMs = performance.now();
  const replica = await follow(catalog, revision);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const writtenBytes = statSync(`${file}-wal`).size;
  await replica.close();
  const name = `after a compaction, ${functions * 3} records, 1 % changed:`;
  return [
    { figure: `${name} until the zone is up to date`, unit: "s", value: seconds },
    {
      figure: `${name} bytes written, of the file's`,
      unit: "%",
      value: (100 * writtenBytes) / fileBytes,
    },
  ];
}

async function follow(catalog: Catalog, revision: number) {
  const replica = startReplica({
    catalog,
    store: await openReplicaStore(file, log, assert.fail),
    clock: systemClock,
    random: systemRandom,
    log,
    acceptLargeRemovals: false,
  });
  await replica.waitFor(revision, AbortSignal.timeout(300_000));
  return replica;
}
