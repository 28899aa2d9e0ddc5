import { USAGE_COUNTS, type UsageCounts } from "#lib/contracts/usage.ts";

export const HOUR_MS = 3_600_000;

/** What is counted together. */
export interface MeteredVersion {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly memoryMegabytes: number;
}

/** What one version used in one hour, by the wall clock. */
export interface UsageRow extends UsageCounts {
  readonly startMs: number;
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
}

/** Rows to add to the book. Numbered by the process that counted them: a number that the book has is not added again. */
export interface UsageBatch {
  readonly sequence: number;
  readonly rows: readonly UsageRow[];
}

export type MeteredEnd =
  | { readonly kind: "result" | "error"; readonly initMs: number | undefined }
  /** The platform's failure: nobody pays for what it lost. */
  | { readonly kind: "not-billed" };

/**
 * Adds up what instances do. An instance that runs several calls at the same time is counted once for that time, and calls that
 * still run are counted as they go, so that a crash loses no more of a long call than of a short one.
 */
export interface UsageMeter {
  readonly callBegan: (of: MeteredVersion, instance: object, nowMs: number) => void;
  readonly callEnded: (instance: object, end: MeteredEnd, nowMs: number) => void;
  readonly initFailed: (of: MeteredVersion) => void;
  readonly sent: (of: MeteredVersion, bodyBytes: number) => void;
  /** Counts what running calls used until now; from here on all is counted in the hour of `wallMs`. */
  readonly tick: (nowMs: number, wallMs: number) => void;
  /** What is to be written next: the same batch until it is known to be in the book. Undefined: everything is. */
  readonly nextBatch: () => UsageBatch | undefined;
  readonly written: (sequence: number) => void;
  /** Not in the book yet: the batch that is on its way, if any, and rows that came after it. */
  readonly unwritten: () => { readonly batch: UsageBatch | undefined; readonly rowCount: number };
  /** Since the start, dropped ones too. */
  readonly totals: () => UsageCounts;
  /** Counts that found no room: more versions ran, while nothing could be written, than are kept in memory. */
  readonly droppedCounts: () => number;
}

type Tally = { -readonly [Count in keyof UsageCounts]: UsageCounts[Count] };
type OpenRow = Tally & Pick<UsageRow, "startMs" | "tenant" | "functionName" | "version">;

/** An instance with at least one call. */
interface Busy {
  readonly of: MeteredVersion;
  readonly sinceMs: number;
  readonly calls: number;
  /** When the last of its calls ended that is paid for. */
  readonly payableUntilMs: number;
  /** Of the time since the beginning, what is in the rows. */
  readonly countedMs: number;
}

export function usageMeter(wallMs: number, rowsMax: number): UsageMeter {
  const busy = new Map<object, Busy>();
  let hourStartMs = startOfHour(wallMs);
  let rows = new Map<string, OpenRow>();
  let sequence = 0;
  let batch: UsageBatch | undefined;
  let dropped = 0;
  const totals = noCounts();

  const count = ({ tenant, functionName, version }: MeteredVersion, counts: Partial<Tally>) => {
    for (const name of USAGE_COUNTS) totals[name] += counts[name] ?? 0;
    const key = `${hourStartMs}/${tenant}/${functionName}/${version}`;
    let row = rows.get(key);
    if (row === undefined) {
      if (rows.size >= rowsMax) {
        dropped += 1;
        return;
      }
      row = { startMs: hourStartMs, tenant, functionName, version, ...noCounts() };
      rows.set(key, row);
    }
    for (const name of USAGE_COUNTS) row[name] += counts[name] ?? 0;
  };
  const bill = (of: MeteredVersion, billedMs: number, counts: Partial<Tally> = {}): void => {
    if (billedMs === 0 && Object.keys(counts).length === 0) return;
    count(of, { ...counts, billedMs, megabyteMs: billedMs * of.memoryMegabytes });
  };

  return {
    callBegan: (of, instance, nowMs) => {
      const first = { of, sinceMs: nowMs, calls: 0, payableUntilMs: nowMs, countedMs: 0 };
      const known = busy.get(instance) ?? first;
      busy.set(instance, { ...known, calls: known.calls + 1 });
    },
    callEnded: (instance, end, nowMs) => {
      const known = busy.get(instance);
      if (known === undefined) return;
      const { of, sinceMs, calls, countedMs } = known;
      const payableUntilMs = end.kind === "not-billed" ? known.payableUntilMs : nowMs;
      if (calls > 1) busy.set(instance, { ...known, calls: calls - 1, payableUntilMs });
      else busy.delete(instance);
      // Rounded up once for the whole time, when the last of the calls in it ends.
      const restMs = calls > 1 ? 0 : Math.max(0, Math.ceil(payableUntilMs - sinceMs) - countedMs);
      if (end.kind === "not-billed") return bill(of, restMs);
      bill(of, restMs + Math.ceil(end.initMs ?? 0), {
        invocations: 1,
        ...(end.kind === "error" && { errors: 1 }),
        ...(end.initMs !== undefined && { coldStarts: 1 }),
      });
    },
    initFailed: (of) => count(of, { initErrors: 1 }),
    sent: (of, bodyBytes) => {
      if (bodyBytes > 0) count(of, { egressBytes: bodyBytes });
    },
    tick: (nowMs, nowWallMs) => {
      for (const [instance, known] of busy) {
        const wholeMs = Math.max(known.countedMs, Math.floor(nowMs - known.sinceMs));
        bill(known.of, wholeMs - known.countedMs);
        busy.set(instance, { ...known, countedMs: wholeMs });
      }
      hourStartMs = startOfHour(nowWallMs);
    },
    nextBatch: () => {
      if (batch !== undefined || rows.size === 0) return batch;
      sequence += 1;
      batch = { sequence, rows: [...rows.values()] };
      rows = new Map();
      return batch;
    },
    written: (done) => {
      if (batch?.sequence === done) batch = undefined;
    },
    unwritten: () => ({ batch, rowCount: rows.size }),
    totals: () => totals,
    droppedCounts: () => dropped,
  };
}

const startOfHour = (wallMs: number): number => Math.floor(wallMs / HOUR_MS) * HOUR_MS;

const noCounts = (): Tally => ({
  invocations: 0,
  errors: 0,
  initErrors: 0,
  coldStarts: 0,
  billedMs: 0,
  megabyteMs: 0,
  egressBytes: 0,
});
