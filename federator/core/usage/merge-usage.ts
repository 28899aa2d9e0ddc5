import {
  type AgentUsage,
  type AgentUsageRow,
  USAGE_COUNTS,
  type UsageCounts,
  type UsageItem,
} from "#lib/contracts/usage.ts";

/** What one zone's agent answered; undefined: nothing, or not in time. */
export interface ZoneUsage {
  readonly zone: string;
  readonly usage: AgentUsage | undefined;
}

export interface MergedUsage {
  readonly items: UsageItem[];
  readonly next: UsageKey | null;
  readonly silentZones: string[];
  readonly incompleteZones: string[];
}

/** Where an item stands in the order of all: what was added up over is empty, or 0. */
export interface UsageKey {
  readonly startMs: number;
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly zone: string;
}

const MEGABYTE_MS_PER_GIGABYTE_SECOND = 1_024 * 1_000;

/**
 * Adds up what the zones answered and gives the first `limit` items after `after`. Each zone was asked for `limit` rows and two more
 * from that key on, so whatever stands among the first items was in its answer, and so was what comes next. A book that answered twice counts once.
 */
export function mergeUsage(
  zones: readonly ZoneUsage[],
  options: {
    readonly byZone: boolean;
    readonly limit: number;
    readonly after: UsageKey | undefined;
  },
): MergedUsage {
  const { byZone, limit, after } = options;
  const sums = new Map<string, { readonly key: UsageKey; endMs: number; counts: UsageCounts }>();
  const books = new Set<string>();
  for (const { zone, usage } of zones) {
    if (usage === undefined || books.has(usage.bookId)) continue;
    books.add(usage.bookId);
    for (const row of usage.rows) {
      const key = keyOf(row, byZone ? zone : "");
      if (after !== undefined && compareKeys(key, after) <= 0) continue;
      const name = JSON.stringify(key);
      const sum = sums.get(name);
      if (sum === undefined) sums.set(name, { key, endMs: row.endMs, counts: row });
      else {
        sum.endMs = Math.max(sum.endMs, row.endMs);
        sum.counts = addCounts(sum.counts, row);
      }
    }
  }
  const sorted = [...sums.values()].toSorted((a, b) => compareKeys(a.key, b.key));
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ key, endMs, counts }) => itemOf(key, endMs, counts)),
    next: last !== undefined && sorted.length > limit ? last.key : null,
    silentZones: zones.filter(({ usage }) => usage === undefined).map(({ zone }) => zone),
    incompleteZones: zones
      .filter(({ usage }) => usage?.isComplete === false)
      .map(({ zone }) => zone),
  };
}

const keyOf = (row: AgentUsageRow, zone: string): UsageKey => ({
  startMs: row.startMs,
  tenant: row.tenant,
  functionName: row.functionName ?? "",
  version: row.version ?? 0,
  zone,
});

const compareKeys = (a: UsageKey, b: UsageKey): number =>
  a.startMs - b.startMs ||
  compareText(a.tenant, b.tenant) ||
  compareText(a.functionName, b.functionName) ||
  a.version - b.version ||
  compareText(a.zone, b.zone);

/** As the books sort: by code, not by anybody's alphabet. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const addCounts = (one: UsageCounts, other: UsageCounts): UsageCounts => {
  const sum = { ...one };
  for (const name of USAGE_COUNTS) sum[name] = one[name] + other[name];
  return sum;
};

function itemOf(key: UsageKey, endMs: number, counts: UsageCounts): UsageItem {
  const { startMs, tenant, functionName, version, zone } = key;
  const { invocations, errors, initErrors, coldStarts, billedMs, egressBytes, megabyteMs } = counts;
  return {
    startMs,
    endMs,
    tenant,
    ...(functionName === "" ? {} : { functionName }),
    ...(version === 0 ? {} : { version }),
    ...(zone === "" ? {} : { zone }),
    invocations,
    errors,
    initErrors,
    coldStarts,
    billedMs,
    gigabyteSeconds: Number((megabyteMs / MEGABYTE_MS_PER_GIGABYTE_SECOND).toFixed(6)),
    egressBytes,
  };
}
