import { readFile } from "node:fs/promises";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import type { DrivenCall } from "../drive/plan.ts";
import { runClosedLoop, runOpenLoop } from "../drive/run-drive.ts";
import type { BenchReport } from "../report.ts";
import { type BenchFederation, startFederation } from "../start-federation.ts";
import type { GatewayBenchOptions } from "./gateway.ts";

/**
 * Calls that each of the three clusters serves at a time, and how long one takes: it waits, so that slots are the limit and not this
 * machine's processors, which make the load as well. Fewer slots would measure how instances of one function make place for another's.
 */
const SLOTS = 8;
const CALL_MS = 150;
const SLOT_CALLS_PER_SECOND = (3 * SLOTS * 1_000) / CALL_MS;
const TIMES_OFFERED = 10;
/** Of what is offered; what is critical fits, with normal calls it does not. */
const TIERS = [
  { tier: "critical", share: 0.05 },
  { tier: "normal", share: 0.15 },
  { tier: "batch", share: 0.8 },
] as const;
const OVERLOAD_SECONDS = 25;
/** The plan learns of an overload from reports of a second each. */
const SETTLE_SECONDS = 5;
const AFTER_SECONDS = 6;
const START_AHEAD_MS = 500;
const CALL_LIMIT_MS = 15_000;
const PROMISES = { goodputOfPeak: 0.9, recoveryMs: 2_000 } as const;

type Tier = (typeof TIERS)[number]["tier"];
type CallsByTier = ReadonlyMap<Tier, readonly DrivenCall[]>;

/** Ten times what the federation can serve, through one gateway, in three tiers: what is served, to whom, how soon, and after. */
export async function benchOverload({ tell }: GatewayBenchOptions): Promise<BenchReport> {
  process.env["MERIDIAN_INSTANCES_MAX"] = String(SLOTS);
  const federation = await startFederation();
  try {
    await deployTiers(federation);
    const target = targetIn(federation);
    tell("what it serves at its best");
    const peakPerSecond = await measurePeak(target);
    const restingMegabytes = await gatewayMegabytes(federation);
    tell(`${TIMES_OFFERED} × ${Math.round(peakPerSecond)} calls/s`);
    let most = restingMegabytes;
    const watching = setInterval(() => {
      // A gateway that is being replaced has no memory to read.
      void gatewayMegabytes(federation).then(
        (now) => (most = Math.max(most, now)),
        () => undefined,
      );
    }, 500);
    const overload = await offer(target, peakPerSecond * TIMES_OFFERED, OVERLOAD_SECONDS);
    clearInterval(watching);
    tell("and after it");
    const after = await callGently(target, peakPerSecond / 4);
    return report({ peakPerSecond, overload, after, memory: [restingMegabytes, most] });
  } finally {
    await federation.stop();
  }
}

async function deployTiers({ meridian }: BenchFederation): Promise<void> {
  for (const [quota, value] of [
    ["rate", "100000"],
    ["burst", "100000"],
    ["concurrency", "10000"],
  ] as const) {
    const asked = await meridian(
      "quota",
      "request",
      quota,
      "--value",
      value,
      "--reason",
      "bench",
      "--json",
    );
    const { id }: { id: string } = JSON.parse(asked);
    await meridian("quota", "approve", id);
  }
  for (const { tier } of TIERS) {
    await meridian("deploy", "test/system/functions/sleeper", "--name", tier);
    await meridian("placement", tier, "--tier", tier);
  }
}

type Target = (tier: Tier) => {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

function targetIn({ credentials }: BenchFederation): Target {
  const { tenants, zones } = credentials;
  return (tier) => ({
    url: `${zones["eu-west"]?.gateway}/v1/tenants/demo/functions/${tier}:invoke`,
    headers: {
      authorization: `Bearer ${tenants["demo"]?.apiKey}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ sleepMs: CALL_MS }),
  });
}

/** As many callers as there are slots, each with a call always under way. */
async function measurePeak(target: Target): Promise<number> {
  const connections = SLOTS * 3;
  const load = { ...target("critical"), connections, requestsMin: 1 };
  await runClosedLoop({ ...load, seconds: SETTLE_SECONDS });
  const { requests, errors, elapsedSeconds } = await runClosedLoop({ ...load, seconds: 8 });
  return (requests - errors) / elapsedSeconds;
}

async function offer(target: Target, perSecond: number, seconds: number): Promise<CallsByTier> {
  const startAtMs = machineNowMs() + START_AHEAD_MS;
  const offered = TIERS.map(async ({ tier, share }) => {
    const plan = { ...target(tier), isNumberAnswered: false, startAtMs, seconds };
    const calls = await runOpenLoop({
      ...plan,
      perSecond: perSecond * share,
      timeoutMs: CALL_LIMIT_MS,
    });
    return [tier, calls] as const;
  });
  return new Map(await Promise.all(offered));
}

/** Calls that fit easily, from the moment on at which the overload ends. */
const callGently = (target: Target, perSecond: number): Promise<CallsByTier> =>
  offer(target, perSecond, AFTER_SECONDS);

async function gatewayMegabytes(federation: BenchFederation): Promise<number> {
  const { pid } = await federation.endpoint("eu-west", "gateway");
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
}

interface Findings {
  readonly peakPerSecond: number;
  readonly overload: CallsByTier;
  readonly after: CallsByTier;
  readonly memory: readonly [number, number];
}

function report({ peakPerSecond, overload, after, memory }: Findings): BenchReport {
  const rows = TIERS.map(({ tier }) => {
    const calls = settled(overload.get(tier) ?? []);
    const good = calls.filter(({ failure }) => failure === null);
    return {
      tier,
      offeredPerSecond: calls.length / (OVERLOAD_SECONDS - SETTLE_SECONDS),
      goodPerSecond: good.length / (OVERLOAD_SECONDS - SETTLE_SECONDS),
      p50Ms: quantile(good, 0.5),
      p99Ms: quantile(good, 0.99),
      failures: countFailures(calls),
    };
  });
  const goodput = rows.reduce((sum, { goodPerSecond }) => sum + goodPerSecond, 0) / peakPerSecond;
  const recoveryMs = recoveredAfterMs([...after.values()].flat());
  const [restingMegabytes, mostMegabytes] = memory;
  return {
    tables: [
      {
        title: `${TIMES_OFFERED} times what ${SLOTS * 3} slots serve (${Math.round(peakPerSecond)} calls/s), after ${SETTLE_SECONDS} s`,
        heads: ["tier", "offered/s", "served/s", "p50 ms", "p99 ms", "turned away"],
        rows: rows.map((row) => [
          row.tier,
          String(Math.round(row.offeredPerSecond)),
          row.goodPerSecond.toFixed(1),
          String(Math.round(row.p50Ms)),
          String(Math.round(row.p99Ms)),
          row.failures,
        ]),
      },
    ],
    notes: [
      `served: ${goodput.toFixed(2)} of the peak; promised ${PROMISES.goodputOfPeak}; the peak is ${(peakPerSecond / SLOT_CALLS_PER_SECOND).toFixed(2)} of what slots without pause would serve`,
      `last failure ${Math.round(recoveryMs)} ms after the overload ended; promised ${PROMISES.recoveryMs}; failures after it: ${countFailures([...after.values()].flat()) || "none"}`,
      `the gateway's memory: ${restingMegabytes.toFixed(0)} MB before, ${mostMegabytes.toFixed(0)} MB at most`,
    ],
    result: { peakPerSecond, goodput, recoveryMs, restingMegabytes, mostMegabytes, rows },
  };
}

/** Those that were due once the plan could know of the overload. */
function settled(calls: readonly DrivenCall[]): readonly DrivenCall[] {
  const startMs = Math.min(...calls.map(({ dueMs }) => dueMs));
  return calls.filter(({ dueMs }) => dueMs >= startMs + SETTLE_SECONDS * 1_000);
}

function recoveredAfterMs(calls: readonly DrivenCall[]): number {
  const startMs = Math.min(...calls.map(({ dueMs }) => dueMs));
  const failed = calls.filter(({ failure }) => failure !== null);
  return Math.max(0, ...failed.map(({ dueMs }) => dueMs - startMs));
}

function quantile(calls: readonly DrivenCall[], share: number): number {
  const took = calls
    .map(({ dueMs, endedMs }) => endedMs - dueMs)
    .toSorted((one, other) => one - other);
  return took[Math.floor(took.length * share)] ?? 0;
}

function countFailures(calls: readonly DrivenCall[]): string {
  const failed = calls.filter(({ failure }) => failure !== null);
  const counts = Map.groupBy(failed, ({ failure }) => failure);
  return Array.from(counts, ([failure, some]) => `${failure} ${some.length}`).join(", ");
}
