import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { Value } from "typebox/value";
import {
  type ClockStamp,
  type DeltaFrame,
  FeedFrame,
  type FullFrame,
} from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { latestValue } from "#lib/latest-value.ts";
import type { Change } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { type RouteTable, routeTableState } from "#lib/route-table-state.ts";
import { compiledTable } from "../../../../federator/core/feed/compiled-table.ts";
import type { WaveZone } from "../../../../federator/core/feed/plan-waves.ts";
import type { RecordReader } from "../../../../federator/core/record-reader.ts";
import { type RecordView, recordView } from "../../../../federator/core/record-view.ts";
import { type Feed, startFeed } from "../../../../federator/io/feed/feed.ts";
import { rightsLedger } from "../../../../federator/io/quota/rights.ts";
import { routeCompiler } from "../../../../federator/io/feed/route-compiler.ts";
import type { TableMark } from "../../../../federator/io/feed/table-deliveries.ts";
import { typedRecords } from "../../../../federator/io/typed-records.ts";
import { startWaves } from "../../../../federator/io/feed/waves.ts";
import type { AppliedRevision } from "../../../../federator/ports.ts";

const WAVE_LIMITS = { soakMs: 1_000, zoneSilenceMaxMs: 10_000, receiverSilenceMaxMs: 10_000 };

/** A clock that the test moves on; who sleeps on it wakes in the order of their times. */
function testClock() {
  let nowMs = 0;
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  const clock: Clock = {
    nowMs: () => nowMs,
    wallMs: () => 1_000 + nowMs,
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = {
          atMs: nowMs + delayMs,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(signal?.reason as Error);
        };
        if (signal?.aborted === true) abort();
        else signal?.addEventListener("abort", abort, { once: true });
      }),
  };
  const advance = async (byMs: number): Promise<void> => {
    const untilMs = nowMs + byMs;
    for (;;) {
      await nextTurn();
      const [next] = [...sleepers].toSorted((one, other) => one.atMs - other.atMs);
      if (next === undefined || next.atMs > untilMs) break;
      nowMs = Math.max(nowMs, next.atMs);
      next.wake();
    }
    nowMs = untilMs;
  };
  return { clock, advance };
}

interface FeedWorldOptions {
  readonly isNewFormat?: boolean;
  readonly zone?: string;
  /** Stands between the records and the compiler: what is broken in it is broken in the table. */
  readonly spoil?: (records: RecordReader) => RecordReader;
}

/** A feed over records that the test writes. */
export function openFeed(t: TestContext, options: FeedWorldOptions = {}) {
  const { clock, advance } = testClock();
  const view = recordView([]);
  const listeners = new Set<(applied: AppliedRevision) => void>();
  let revision = 1;
  let incarnation = "one";
  const position = (): Position => ({ incarnation, revision });
  const overlay = latestValue<readonly string[]>([]);
  const refusals: string[] = [];
  const stopped: string[] = [];
  const otherZones: WaveZone[] = [];
  const logged: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => logged.push(line) });
  const table = compiledTable();
  const waves = startWaves({
    table,
    clock,
    log,
    limits: WAVE_LIMITS,
    isNewFormat: options.isNewFormat ?? false,
    onRefused: (by, reason) => stopped.push(`${by}: ${reason}`),
  });
  const reader = typedRecords(view);
  const compiler = routeCompiler({
    replica: { position, ...pagesOf(view), onApplied: (listener) => listen(listeners, listener) },
    records: options.spoil?.(reader) ?? reader,
    clusterIds: ["c-1"],
    table,
    clock,
    beforeApply: waves.beforeApply,
  });
  const feed = startFeed({
    zone: options.zone ?? "z",
    table,
    compiler,
    waves,
    overlay,
    rights: rightsLedger(
      clock,
      () => 0,
      () => true,
    ),
    replicaAgeMs: () => 100,
    clock,
    log,
    otherZones: () => otherZones,
    onRefused: (receiver, reason) => refusals.push(`${receiver}: ${reason}`),
  });
  t.after(async () => {
    await compiler.close();
    await feed.close();
  });
  const tell = (changes: readonly Change[], isSnapshot: boolean): number => {
    revision += 1;
    view.apply(changes);
    for (const listener of listeners) listener({ position: position(), changes, isSnapshot });
    return revision;
  };
  return {
    feed,
    table,
    overlay,
    refusals,
    stopped,
    logged,
    otherZones,
    position,
    clock,
    advance,
    write: (...changes: readonly Change[]) => tell(changes, false),
    restore: (...changes: readonly Change[]) => {
      incarnation = "two";
      return tell(changes, true);
    },
  };
}

function listen<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const pagesOf = (view: RecordView) => ({
  page: (prefix: string, afterKey: string, limit: number) =>
    view
      .list(prefix)
      .filter(({ key }) => key > afterKey)
      .slice(0, limit),
});

export const record = (key: string, value: unknown): Change => ({
  kind: "put",
  record: { key, value: JSON.stringify(value), createRevision: 1, modRevision: 1, leaseId: null },
});
export const tenant = (name: string, extra: object = {}): Change =>
  record(`tenants/${name}`, { name, createdAtMs: 1, ...extra });
/** As many tenants as make a change that goes out in a wave. */
export const manyTenants = (prefix: string, count = 40): readonly Change[] =>
  Array.from({ length: count }, (_, index) => tenant(`${prefix}-${index}`));

/** Lets the streams do what they have to do. */
export const settle = (): Promise<void> => nextTurn();

export const names = (table: RouteTable | undefined): string[] =>
  [...(table?.entries.keys() ?? [])].toSorted();

export interface FollowOptions {
  readonly from?: TableMark | null;
  /** Why it turns a table down; undefined where it takes it. */
  readonly refuses?: (frame: FullFrame | DeltaFrame) => string | undefined;
  /** Its clock when it asked. */
  readonly stamp?: ClockStamp;
}

/** Follows the feed as a gateway does, checking every frame; nothing is read before the test reads. */
export function follow(
  feed: Feed,
  receiver: string,
  { from = null, refuses, stamp }: FollowOptions = {},
) {
  let stream = new PassThrough({ highWaterMark: 4_096 });
  const frames: FeedFrame[] = [];
  const state = routeTableState();
  let rest = "";
  let nonce = 0;
  /** What came, as it came. */
  const raw = (): string => {
    let text = "";
    for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read())
      text += chunk.toString();
    return text;
  };
  const read = (): void => {
    rest += raw();
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const frame: unknown = JSON.parse(line);
      assert.ok(Value.Check(FeedFrame, frame), line);
      frames.push(frame);
      if ("nonce" in frame) nonce = Math.max(nonce, frame.nonce);
      switch (frame.kind) {
        case "full":
        case "delta":
        case "part":
        case "urgent":
          take(frame);
          break;
        case "acknowledge":
          acknowledge();
          break;
        case "overlay":
        case "rights":
          break;
      }
    }
  };
  const take = (frame: Parameters<typeof state.take>[0]): void => {
    const reason = frame.kind === "full" || frame.kind === "delta" ? refuses?.(frame) : undefined;
    if (reason !== undefined && "position" in frame) {
      const refusedPosition = frame.position;
      const inForce = state.table()?.position ?? from?.position ?? null;
      feed.acknowledge({ receiver, nonce, position: inForce, refused: reason, refusedPosition });
      // Only a whole table helps now.
      stream.destroy();
      stream = new PassThrough({ highWaterMark: 4_096 });
      const has = state.table();
      feed.attach(
        receiver,
        has === undefined ? null : { position: has.position, digest: "" },
        stream,
      );
      return;
    }
    const taken = state.take(frame);
    assert.ok(taken.kind === "applied" || taken.kind === "taken", JSON.stringify(taken));
    if (frame.kind === "urgent") acknowledge();
  };
  const acknowledge = (): void => {
    const { position = null, withdrawnPosition } = state.table() ?? {};
    const withdrawn = withdrawnPosition === undefined ? {} : { withdrawnPosition };
    feed.acknowledge({ receiver, nonce, position, ...withdrawn });
  };
  feed.attach(receiver, from, stream, stamp);
  const tables = () =>
    frames.filter((frame): frame is FullFrame | DeltaFrame =>
      ["full", "delta"].includes(frame.kind),
    );
  return {
    receiver,
    stream: () => stream,
    raw,
    frames,
    read,
    tables,
    acknowledge,
    table: state.table,
  };
}
