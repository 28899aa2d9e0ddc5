import { setTimeout as delay } from "node:timers/promises";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { connectCatalog } from "#lib/io/remote-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { ReceivePlan, ReceiveResult } from "../feed/receive-plan.ts";
import { startReceivers } from "../feed/run-receivers.ts";
import { cpuMicros } from "../measure-cpu.ts";
import { type Broadcast, startBroadcast, startOverlays } from "../peers/broadcast.ts";
import { type Reading, toRows, type VariantReadings } from "../rows.ts";
import type { RoundOptions } from "../run-rounds.ts";
import { type BenchFederation, startFederation } from "../start-federation.ts";
import type { ScenarioResult } from "./hello.ts";

const UPDATES_PER_SECOND = 10;
/** What is under way when the last update was sent. */
const SETTLE_MS = 1_500;
const TENANT = "bench-feed";
const COMPARED: ReadonlySet<string> = new Set(["feed to 2,000", "plain broadcast to 2,000"]);

interface FeedVariant {
  readonly name: string;
  readonly cpuOf: string;
  readonly pid: number;
  readonly url: string;
  readonly receivers: number;
  readonly receiver: string;
  readonly acknowledges: boolean;
  readonly awaits: ReceivePlan["awaits"];
  /** Sends the next update; gives its number. */
  readonly update: () => Promise<number>;
  readonly figure: "each" | "all";
}

/**
 * Updates of the catalog, ten a second, to many receivers: one server's CPU per delivery beside a plain broadcast of the same
 * bytes, and the time from the commit to one receiver, or to the last of them, in a zone other than the writer's; then the time
 * from a verdict of the zone itself to the last of its gateways.
 */
export async function benchFeed(options: RoundOptions): Promise<ScenarioResult> {
  options.tell("starting a federation");
  const federation = await startFederation();
  const broadcast = await startBroadcast();
  const overlays = await startOverlays();
  const client = internalClient(federation.bootToken);
  const discovery = { list: async () => [await federation.endpoint(null, "catalog")] };
  const catalog = connectCatalog({ discovery, client, clock: systemClock });
  try {
    const variants = await listVariants(federation, catalog, { broadcast, overlays });
    const readings = new Map<FeedVariant, Reading[]>(variants.map((variant) => [variant, []]));
    for (let round = 1; round <= options.rounds; round += 1)
      for (const variant of variants) {
        options.tell(`round ${round} of ${options.rounds}: ${variant.name}`);
        readings
          .get(variant)
          ?.push(await measure(variant, federation.bootToken, options.secondsPerRound));
      }
    const rows: VariantReadings[] = variants.map((variant) => ({
      variant: variant.name,
      cpuOf: variant.cpuOf,
      readings: readings.get(variant) ?? [],
    }));
    return { rows: toRows(rows, COMPARED), missingPeers: [] };
  } finally {
    await catalog.close();
    await client.close();
    await broadcast.stop();
    await overlays.stop();
    await federation.stop();
  }
}

async function listVariants(
  federation: BenchFederation,
  catalog: Catalog,
  { broadcast, overlays }: { readonly broadcast: Broadcast; readonly overlays: Broadcast },
): Promise<readonly FeedVariant[]> {
  const federator = await federation.endpoint("us-east", "federator");
  await put(catalog, keys.tenant(TENANT), { name: TENANT, createdAtMs: 1 });
  let burst = 1_000;
  const commit = (): Promise<number> => {
    burst += 1;
    const limits = { "requests-per-second": 1_000, burst, concurrency: 100 };
    return put(catalog, keys.quota(TENANT), { tenant: TENANT, limits });
  };
  let revision = 0;
  const repeat = async (): Promise<number> => {
    revision += 1;
    broadcast.send(deltaLike(revision));
    return revision;
  };
  let verdicts = 0;
  const ofFederator = {
    cpuOf: "federator",
    pid: federator.pid,
    url: federator.urls.internal ?? "",
    update: commit,
    awaits: "table",
  } as const;
  const agents = { receivers: 2_000, receiver: "us-east.agent", figure: "each" } as const;
  return [
    { ...ofFederator, ...agents, name: "feed to 2,000", acknowledges: false },
    {
      ...agents,
      name: "plain broadcast to 2,000",
      cpuOf: "broadcast",
      pid: broadcast.pid,
      url: broadcast.url,
      acknowledges: false,
      update: repeat,
      awaits: "table",
    },
    { ...ofFederator, ...agents, name: "feed to 2,000, acknowledged", acknowledges: true },
    {
      ...ofFederator,
      name: "commit to all of 500 gateways",
      receivers: 500,
      receiver: "us-east.gateway",
      acknowledges: true,
      figure: "all",
    },
    {
      ...ofFederator,
      name: "commit to a remote zone",
      receivers: 1,
      receiver: "us-east.agent",
      acknowledges: false,
      figure: "each",
    },
    {
      name: "verdict to all of 500 gateways",
      cpuOf: "feed alone",
      pid: overlays.pid,
      url: overlays.url,
      receivers: 500,
      receiver: "us-east.gateway",
      acknowledges: false,
      awaits: "overlay",
      update: async () => {
        verdicts += 1;
        overlays.send(`down-${verdicts}`);
        return verdicts;
      },
      figure: "all",
    },
  ];
}

async function measure(variant: FeedVariant, bootToken: string, seconds: number): Promise<Reading> {
  const { receiver, pid } = variant;
  const headers = { [INVOCATION_HEADERS.bootToken]: bootToken };
  const running = await startReceivers({ ...variant, headers, name: receiver });
  await delay(SETTLE_MS);
  const stamps: [number, number][] = [];
  const startedAtMs = performance.now();
  const before = cpuMicros([pid]);
  for (let count = 0; count < seconds * UPDATES_PER_SECOND; count += 1) {
    const pauseMs = startedAtMs + (count * 1_000) / UPDATES_PER_SECOND - performance.now();
    if (pauseMs > 0) await delay(pauseMs);
    const sentAtMs = machineNowMs();
    stamps.push([await variant.update(), sentAtMs]);
  }
  const elapsedSeconds = (performance.now() - startedAtMs) / 1_000;
  await delay(SETTLE_MS);
  // What is still under way costs, too.
  const after = cpuMicros([pid]);
  return read(await running.finish(stamps), variant, elapsedSeconds, before, after);
}

function read(
  result: ReceiveResult,
  { figure }: FeedVariant,
  elapsedSeconds: number,
  before: number | undefined,
  after: number | undefined,
): Reading {
  return {
    requestsPerSecond: result.deliveries / elapsedSeconds,
    cpuMicrosPerRequest:
      before === undefined || after === undefined ? null : (after - before) / result.deliveries,
    p50Micros: figure === "all" ? result.allP50Micros : result.p50Micros,
    p99Micros: figure === "all" ? result.allP99Micros : result.p99Micros,
    errors: result.incomplete,
  };
}

async function put(catalog: Catalog, key: string, record: unknown): Promise<number> {
  const operation = { kind: "put", key, value: JSON.stringify(record) } as const;
  return (await catalog.txn({ compares: [], operations: [operation] })).revision;
}

/** As many bytes, in the same form, as the feed sends for one update. */
const deltaLike = (revision: number): string => {
  const position = { incarnation: "0123456789abcdef0123456789abcdef", revision };
  const limits = { burst: 1_000, concurrency: 100, "requests-per-second": 1_000 };
  const text = JSON.stringify({ kind: "tenant", limits, tenant: TENANT });
  return JSON.stringify({
    kind: "delta",
    nonce: 1_764_000_000_000_000 + revision,
    from: position,
    position,
    removed: [],
    digest: "0".repeat(64),
    upserts: [{ key: `tenant/${TENANT}`, text }],
  });
};
