import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { AgentUsage, AgentUsageQuery, UsageCounts } from "#lib/contracts/usage.ts";
import { MeridianError } from "#lib/errors.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { type MeteredVersion, type UsageMeter, usageMeter } from "../core/usage-meter.ts";
import type { CallOutcome } from "./call-outcome.ts";
import { openFileThread, threadedFile } from "./file-thread.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { UsageBookOptions, UsageFileCalls } from "./usage-file-calls.ts";

const WORKER = new URL("./usage-file-worker.ts", import.meta.url);
/** With the write itself, what a crash loses stays well below a second of work. */
const WRITE_INTERVAL_MS = 500;
/** Versions and hours that are held while the disk takes nothing, twice: some 40 MB. */
const UNWRITTEN_ROWS_MAX = 100_000;

/** Counts what functions use, and has it on disk within a second. */
export interface UsageRecorder {
  /** An instance was given a call. The result is called once, with how it ended. */
  readonly callBegan: (of: PoolVersion, instance: object) => (outcome: CallOutcome) => void;
  /** What a function answered, or what was answered for it because it did not start. */
  readonly answered: (of: PoolVersion, outcome: CallOutcome, bodyBytes: number) => void;
  readonly sent: (of: PoolVersion, bodyBytes: number) => void;
  readonly read: (query: AgentUsageQuery) => Promise<AgentUsage>;
  readonly unwrittenRows: () => number;
  readonly droppedCounts: () => number;
  /** Since the start. */
  readonly totals: () => UsageCounts;
  /** Writes what there is. */
  readonly close: () => Promise<void>;
}

export function usageRecorder(
  options: Pick<UsageBookOptions, "file" | "bytesMax">,
  clock: Clock,
  log: Logger,
): UsageRecorder {
  const { file } = options;
  const meter = usageMeter(clock.wallMs(), UNWRITTEN_ROWS_MAX);
  let bookId = "";
  let isFailing = false;
  let damage: string | undefined;
  const bootId = randomUUID();
  const book = threadedFile<UsageFileCalls>({
    clock,
    unusable,
    onLost: (cause) => log.error({ err: cause, file }, "the book of usage cannot be used now"),
    open: async () => {
      const ask = { ...options, bootId, wallMs: clock.wallMs() };
      const { thread, answer } = await openFileThread<UsageFileCalls>(WORKER, ask);
      ({ bookId, damage } = answer);
      if (damage !== undefined)
        log.error({ file, damage }, "the book of usage is damaged, put aside, and begun anew");
      return thread;
    },
  });

  /** False: the batch stays, and is tried again. */
  const write = async (): Promise<boolean> => {
    const batch = meter.nextBatch();
    if (batch === undefined) return true;
    try {
      const added = await book.ask("add", { batch, wallMs: clock.wallMs() });
      if (added === "no-room") throw new Error("the disk is full, or the book at its limit");
      meter.written(batch.sequence);
      const { removedRows } = added;
      if (removedRows > 0) log.warn({ removedRows }, "old usage was removed from the book");
      if (isFailing) log.info("usage is written again");
      isFailing = false;
      return true;
    } catch (error) {
      if (!isFailing) log.error({ err: error }, "usage is not on disk, and kept in memory");
      isFailing = true;
      return false;
    }
  };
  const writing = oneAtATime<void>(async () => void (await write()));
  const flush = async (): Promise<void> => {
    meter.tick(clock.nowMs(), clock.wallMs());
    if (meter.unwritten().batch === undefined && meter.unwritten().rowCount === 0) return;
    writing.offer();
    await writing.settled();
  };
  const timer = setInterval(() => void flush(), WRITE_INTERVAL_MS);
  timer.unref();

  return {
    ...counters(meter, clock),
    read: async (query) => {
      // Twice where a batch was on its way: what came after it is wanted too.
      await flush();
      if (meter.unwritten().rowCount > 0) await flush();
      const { rows, sequence } = await book.ask("read", query);
      const { batch } = meter.unwritten();
      const isWritten = batch === undefined || batch.sequence <= sequence;
      const isComplete = isWritten && meter.droppedCounts() === 0 && damage === undefined;
      return { bookId, isComplete, rows: [...rows] };
    },
    unwrittenRows: () => {
      const { batch, rowCount } = meter.unwritten();
      return rowCount + (batch?.rows.length ?? 0);
    },
    droppedCounts: meter.droppedCounts,
    totals: meter.totals,
    close: async () => {
      clearInterval(timer);
      await flush();
      await flush();
      await book.close();
    },
  };
}

function counters(
  meter: UsageMeter,
  clock: Clock,
): Pick<UsageRecorder, "callBegan" | "answered" | "sent"> {
  return {
    callBegan: (of, instance) => {
      meter.callBegan(metered(of), instance, clock.nowMs());
      return (outcome) =>
        meter.callEnded(
          instance,
          isBilled(outcome)
            ? {
                kind: isFailure(outcome) ? "error" : "result",
                initMs: outcome.kind === "failed" ? undefined : outcome.coldStart?.initMs,
              }
            : { kind: "not-billed" },
          clock.nowMs(),
        );
    },
    answered: (of, outcome, bodyBytes) => {
      // No instance was given the call: its function's start had failed.
      if (outcome.kind === "function-error" && outcome.timing === undefined)
        meter.initFailed(metered(of));
      else if (outcome.kind !== "failed") meter.sent(metered(of), bodyBytes);
    },
    sent: (of, bodyBytes) => meter.sent(metered(of), bodyBytes),
  };
}

const isFailure = (outcome: CallOutcome): boolean =>
  outcome.kind === "function-error" || (outcome.kind === "failed" && !isLeft(outcome));

/** Nobody failed where the caller left. */
const isLeft = (outcome: CallOutcome): boolean =>
  outcome.kind === "failed" && outcome.error.code === "MERIDIAN_CONNECTION_LOST";

/** Who lets a function run until nobody waits any more pays for it; what the platform lost or never began is not paid for. */
const isBilled = (outcome: CallOutcome): boolean =>
  outcome.kind !== "failed" ||
  outcome.error.code === "MERIDIAN_ANSWER_TIMEOUT" ||
  (outcome.isExecuted && isLeft(outcome));

const metered = ({ tenant, functionName, version }: PoolVersion): MeteredVersion => ({
  tenant,
  functionName,
  version: version.version,
  memoryMegabytes: version.manifest.memoryMegabytes,
});

const unusable = (cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "This cluster cannot look up what was used now. Try again in a moment.",
    { cause },
  );
