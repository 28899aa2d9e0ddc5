import { setTimeout as delay } from "node:timers/promises";
import { Value } from "typebox/value";
import { FederationStatus } from "#lib/contracts/api-status.ts";
import type { FigureResult, FigureRow } from "../figures.ts";
import { signalAll } from "../processes.ts";
import { type BenchFederation, startFederation } from "../start-federation.ts";
import { catalogLeader, catalogProcesses, processesOf } from "../takeout/strike-zone.ts";
import { watchZones, type ZoneWatch } from "../takeout/watch-zones.ts";

const ZONES = ["eu-west", "us-east", "ap-south"];
/** How `meridian up` is started, and whose zone is struck. */
const CATALOGS = {
  embedded: { flags: [], victims: ["leader", "idle"] },
  etcd: { flags: ["--catalog", "etcd"], victims: ["leader", "catalog leader", "idle"] },
} as const;
type Victim = (typeof CATALOGS)["etcd"]["victims"][number];
/** Issue 4: p99 of the time from the fault until no other zone's table has the cluster. */
const PROMISE_MS = 3_500;
const LIMIT_MS = 20_000;
const RETURN_LIMIT_MS = 120_000;
const POLL_MS = 2;
/** A rhythm is known, and nothing of what went before still moves. */
const SETTLE_MS = 5_000;
/** Longer than a write that was under way takes, and than the leader's lease. */
const CATALOG_GONE_MS = 6_000;

const FAULTS = ["kill -9", "hang", "kill -9 without a catalog"] as const;
type Fault = (typeof FAULTS)[number];

/** Of each figure, how long it took to each of the other zones, and to the last of them. */
type Readings = Map<string, { readonly eachMs: number[]; readonly lastMs: number[] }>;

/**
 * How soon a zone that dies or hangs is out of every other zone's table. A round is a federation of its own, on which a zone is
 * killed, another one is frozen, and at last one is killed while nobody can write to the catalog.
 */
export async function benchTakeout({
  rounds,
  tell,
}: {
  readonly rounds: number;
  readonly tell: (what: string) => void;
}): Promise<FigureResult> {
  const readings: Readings = new Map();
  for (let round = 0; round < rounds; round += 1)
    for (const [catalog, { flags, victims }] of Object.entries(CATALOGS)) {
      const federation = await startFederation(...flags);
      const watch = await watchZones(federation, ZONES);
      try {
        for (const [index, fault] of FAULTS.entries()) {
          const wanted = victims[(round + index) % victims.length] ?? "idle";
          const stage = { federation, watch, fault, wanted };
          const { unusedMs, decidedMs } = await takeOut(stage, (what) =>
            tell(`round ${round + 1} of ${rounds}, ${catalog}: ${what}`),
          );
          note(readings, `${catalog}, ${fault}: unused`, unusedMs);
          note(readings, `${catalog}, ${fault}: verdict in the tables`, decidedMs);
        }
      } finally {
        await watch.close();
        await federation.stop();
      }
    }
  return {
    figures: [...readings].flatMap(([figure, { eachMs, lastMs }]) => [
      row(`${figure} in the last zone`, quantile(lastMs, 0.5)),
      row(`${figure}, longest of ${eachMs.length}`, quantile(eachMs, 1)),
    ]),
    peerIs: `the promise of ${PROMISE_MS} ms`,
  };
}

interface Stage {
  readonly federation: BenchFederation;
  readonly watch: ZoneWatch;
  readonly fault: Fault;
  readonly wanted: Victim;
}

interface Times {
  /** From the fault until each other zone's gateways no longer use the cluster. */
  readonly unusedMs: readonly number[];
  /** And until their tables have the verdict; nothing without a catalog. */
  readonly decidedMs: readonly number[];
}

/** Strikes, measures, and undoes what a further fault needs undone. */
async function takeOut(stage: Stage, tell: (what: string) => void): Promise<Times> {
  const { federation, watch, fault } = stage;
  await untilWhole(watch);
  await delay(SETTLE_MS);
  const victim = await chooseVictim(stage);
  const clusterId = `${victim}-1`;
  const others = ZONES.filter((zone) => zone !== victim);
  const pids = await processesOf(federation, victim);
  const isWithoutCatalog = fault === "kill -9 without a catalog";
  const frozen = isWithoutCatalog ? await catalogProcesses(federation, victim) : [];
  signalAll(frozen, "SIGSTOP");
  try {
    if (isWithoutCatalog) await delay(CATALOG_GONE_MS);
    const struckAtMs = performance.now();
    signalAll(pids, fault === "hang" ? "SIGSTOP" : "SIGKILL");
    const since = (zones: readonly string[], isSo: (zone: string) => boolean) =>
      timesSince(struckAtMs, zones, isSo);
    const [unusedMs, decidedMs] = await Promise.all([
      since(others, (zone) => !watch.mayUse(zone, clusterId)),
      since(isWithoutCatalog ? [] : others, (zone) => watch.isDecidedDown(zone, clusterId)),
    ]);
    const verdict = decidedMs.length === 0 ? "no verdict" : `verdict after ${both(decidedMs)}`;
    tell(`${fault} of ${victim} (${stage.wanted}): unused after ${both(unusedMs)}, ${verdict}`);
    return { unusedMs, decidedMs };
  } finally {
    signalAll(frozen, "SIGCONT");
    if (fault === "hang") signalAll(pids, "SIGCONT");
    else if (!isWithoutCatalog) await federation.meridian("zone", "start", victim);
  }
}

const both = (timesMs: readonly number[]): string => `${timesMs.join(" and ")} ms`;

/** For each zone, after how long it was so; the limit where it was not. */
async function timesSince(
  startedAtMs: number,
  zones: readonly string[],
  isSo: (zone: string) => boolean,
): Promise<readonly number[]> {
  const tookMs = new Map<string, number>();
  while (tookMs.size < zones.length && performance.now() - startedAtMs < LIMIT_MS) {
    for (const zone of zones)
      if (!tookMs.has(zone) && isSo(zone)) tookMs.set(zone, performance.now() - startedAtMs);
    await delay(POLL_MS);
  }
  return zones.map((zone) => Math.round(tookMs.get(zone) ?? LIMIT_MS));
}

/** The zone that leads the federation, or the catalog, or one that leads nothing. */
async function chooseVictim({ federation, wanted }: Stage): Promise<string> {
  const printed = await federation.meridian("status", "--json");
  const { leader } = Value.Parse(FederationStatus, JSON.parse(printed));
  const ofCatalog = await catalogLeader(federation, ZONES);
  const idle = ZONES.find((zone) => zone !== leader && zone !== ofCatalog) ?? "";
  switch (wanted) {
    case "leader":
      return leader ?? idle;
    case "catalog leader":
      return ofCatalog ?? idle;
    case "idle":
      return idle;
  }
}

/** Every zone uses every cluster at its whole weight. */
async function untilWhole(watch: ZoneWatch): Promise<void> {
  const endsAtMs = performance.now() + RETURN_LIMIT_MS;
  while (!ZONES.every((zone) => ZONES.every((other) => watch.isWhole(zone, `${other}-1`)))) {
    if (performance.now() > endsAtMs) throw new Error("the federation does not become whole");
    await delay(100);
  }
}

function note(readings: Readings, figure: string, tookMs: readonly number[]): void {
  if (tookMs.length === 0) return;
  const known = readings.get(figure) ?? { eachMs: [], lastMs: [] };
  known.eachMs.push(...tookMs);
  known.lastMs.push(Math.max(...tookMs));
  readings.set(figure, known);
}

const row = (figure: string, valueMs: number): FigureRow => ({
  figure,
  unit: "ms",
  value: valueMs,
  peer: PROMISE_MS,
  ratio: Math.round((valueMs / PROMISE_MS) * 100) / 100,
});

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
