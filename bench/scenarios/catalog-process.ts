import { openEtcdCatalog } from "#lib/io/etcd/etcd-catalog.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { connectCatalog } from "#lib/io/remote-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { Catalog, Operation } from "#lib/ports/catalog.ts";
import { type CatalogPlan, type CatalogReading, RANGE_RECORDS } from "../peers/go-etcd.ts";

/* One reading of `npm run bench -- catalog`, in a process of its own; prints it as JSON. Its peer is `bench/peers/go-etcd`. */
const VALUE = "v".repeat(256);
const RECORDS_PER_TRANSACTION = 100;
/** Not measured: connecting, and what runs faster once it has run for a while. */
const WARM_SECONDS = 1;
/** What a catalog is made for, and ten records in each. */
const STAMPED_TRANSACTIONS_PER_SECOND = 200;
const STAMPED_RECORDS = 10;

// The parent is our own and says what it wants as JSON.
const plan = JSON.parse(process.argv[2] ?? "") as CatalogPlan;
const client = internalClient(plan.bootToken ?? "");
const catalog = await open();
try {
  process.stdout.write(JSON.stringify(await run()));
} finally {
  await catalog.close();
  await client.close();
}

async function open(): Promise<Catalog> {
  const { endpoint, bootToken, keyPrefix } = plan;
  const ports = { clock: systemClock, random: systemRandom };
  if (bootToken === undefined)
    return await openEtcdCatalog({
      endpoints: [endpoint],
      keyPrefix,
      writerName: plan.operation,
      ...ports,
    });
  const urls = { internal: endpoint, admin: endpoint };
  const published = { program: "catalog", zone: null, pid: 1, bootId: "bench", urls } as const;
  return connectCatalog({ ...ports, client, discovery: { list: async () => [published] } });
}

async function run(): Promise<CatalogReading | null> {
  switch (plan.operation) {
    case "fill":
      return await fill();
    case "stamp":
      return await stamp();
    case "watch":
      return await watch();
    case "put":
    case "compare-and-set":
    case "range":
      await repeat(`warm-${plan.operation}`, WARM_SECONDS);
      return await repeat(plan.operation, plan.seconds);
  }
}

/** The same operation again and again, so many at once, each on a key of its own. */
async function repeat(name: string, seconds: number): Promise<CatalogReading> {
  const micros: number[] = [];
  let errors = 0;
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + seconds * 1_000;
  const work = async (worker: number): Promise<void> => {
    const key = `${name}/${worker}`;
    const act = plan.operation === "range" ? readRange : await writer(key);
    while (performance.now() < endsAtMs) {
      const beganAtMs = performance.now();
      try {
        await act();
        micros.push((performance.now() - beganAtMs) * 1_000);
      } catch {
        errors += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: plan.concurrency }, (_, worker) => work(worker)));
  return summary(micros, startedAtMs, cpuBefore, errors);
}

async function writer(key: string): Promise<() => Promise<void>> {
  const operations: readonly Operation[] = [{ kind: "put", key, value: VALUE }];
  if (plan.operation === "put")
    return async () => {
      await catalog.txn({ compares: [], operations });
    };
  let { revision } = await catalog.txn({ compares: [], operations });
  return async () => {
    const compare = { kind: "modified-at", key, revision } as const;
    const result = await catalog.txn({ compares: [compare], operations });
    if (result.kind !== "committed") throw new Error(`${key} was changed by somebody else`);
    ({ revision } = result);
  };
}

async function readRange(): Promise<void> {
  const page = await catalog.range({ prefix: "range/", limit: RANGE_RECORDS });
  if (page.kind !== "page" || page.records.length !== RANGE_RECORDS)
    throw new Error("records are missing");
}

async function fill(): Promise<null> {
  for (let first = 0; first < RANGE_RECORDS; first += RECORDS_PER_TRANSACTION) {
    const operations = Array.from({ length: RECORDS_PER_TRANSACTION }, (_, index): Operation => {
      const key = `range/${String(first + index).padStart(6, "0")}`;
      return { kind: "put", key, value: VALUE };
    });
    await catalog.txn({ compares: [], operations });
  }
  return null;
}

/** Writes at a steady pace until it is ended, and says when it has begun; each value begins with the moment of its writing. */
async function stamp(): Promise<null> {
  const startedAtMs = performance.now();
  for (let count = 1; ; count += 1) {
    const stamped = `${Math.round(machineNowMs() * 1_000)} `.padEnd(VALUE.length, "v");
    const operations = Array.from({ length: STAMPED_RECORDS }, (_, index): Operation => ({
      kind: "put",
      key: `watch/${index}`,
      value: stamped,
    }));
    await catalog.txn({ compares: [], operations });
    if (count === 1) process.stdout.write("writing\n");
    const dueAtMs = startedAtMs + (count * 1_000) / STAMPED_TRANSACTIONS_PER_SECOND;
    await systemClock.sleep(Math.max(0, dueAtMs - performance.now()));
  }
}

async function watch(): Promise<CatalogReading> {
  const page = await catalog.range({ prefix: "watch/", limit: 1 });
  if (page.kind !== "page") throw new Error("the newest revision is always there");
  const query = { prefix: "watch/", afterRevision: page.revision };
  const over = new AbortController();
  const warmUntilMs = performance.now() + WARM_SECONDS * 1_000;
  const endsAtMs = warmUntilMs + plan.seconds * 1_000;
  let lags: number[] = [];
  let startedAtMs: number | undefined;
  let cpuBefore = process.cpuUsage();
  for await (const event of catalog.watch(query, over.signal)) {
    const nowMs = performance.now();
    if (nowMs >= endsAtMs) over.abort();
    if (startedAtMs === undefined && nowMs >= warmUntilMs) {
      lags = [];
      startedAtMs = nowMs;
      cpuBefore = process.cpuUsage();
    }
    if (event.kind !== "revision") continue;
    const heardAtMicros = machineNowMs() * 1_000;
    for (const change of event.changes)
      if (change.kind === "put")
        lags.push(heardAtMicros - Number.parseInt(change.record.value, 10));
  }
  return summary(lags, startedAtMs ?? warmUntilMs, cpuBefore, 0);
}

function summary(
  micros: readonly number[],
  startedAtMs: number,
  cpuBefore: NodeJS.CpuUsage,
  errors: number,
): CatalogReading {
  const { user, system } = process.cpuUsage(cpuBefore);
  const sorted = micros.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? 0;
  return {
    operations: micros.length,
    elapsedSeconds: (performance.now() - startedAtMs) / 1_000,
    cpuMicros: user + system,
    p50Micros: at(0.5),
    p99Micros: at(0.99),
    errors,
  };
}
