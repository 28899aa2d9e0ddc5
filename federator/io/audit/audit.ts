import { join } from "node:path";
import type { Logger } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Catalog, Change } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Held } from "../../core/transactions.ts";
import type { ChainedEntry } from "./audit-chain.ts";
import { type AuditFile, openAuditFile } from "./audit-file.ts";
import { readChange, readEach } from "../read-records.ts";
import { runLoop } from "../run-loop.ts";

const RETRY_MS = 500;
/** Refused attempts written each second; more are counted and told by the next, lest they push the history out. */
const REFUSALS_PER_SECOND = 20;

export interface AuditQuery {
  /** Null for all tenants. */
  readonly tenant: string | null;
  readonly outcome: ChainedEntry["outcome"] | null;
  readonly limit: number;
}

/** This zone's log of every change of the catalog and of every attempt that this zone refused. */
export interface Audit {
  /** Resolves once it is on disk; a failing disk is logged and stops nobody. */
  readonly refused: (change: ChangeRecord) => Promise<void>;
  /** Newest first. */
  readonly page: (query: AuditQuery) => Promise<ChainedEntry[]>;
  /** Resolves once every change up to the revision is on disk. */
  readonly waitFor: (revision: number, signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface AuditOptions {
  /** The zone's state folder; the log is in `audit` below it. */
  readonly directory: string;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Follows the catalog's change records with a cursor of its own, kept in the log's last line: a revision is written once,
 * whatever dies when. What was compacted away while this zone was gone is missing, and said in the program's log.
 */
export async function openAudit({ directory, catalog, clock, log }: AuditOptions): Promise<Audit> {
  const file = await openAuditFile(join(directory, "audit"));
  const closing = new AbortController();
  const progress = progressFrom(file.cursor());
  const following = runLoop(
    { name: "audit", intervalMs: RETRY_MS, clock, log, signal: closing.signal },
    (signal) => followChanges(catalog, file, progress, log, signal),
  );
  const mayWrite = refusalBudget(clock);
  return {
    refused: async (change) => {
      const suppressed = mayWrite();
      if (suppressed === null) return;
      const detail = suppressed === 0 ? change.detail : { ...change.detail, suppressed };
      await file
        .append({ revision: null, outcome: "refused", change: { ...change, detail } })
        .catch((error: unknown) => log.error({ err: error }, "the audit cannot be written"));
    },
    page: ({ tenant, outcome, limit }) =>
      file.newest(
        limit,
        (entry) =>
          (tenant === null || entry.change.tenant === tenant) &&
          (outcome === null || entry.outcome === outcome),
        tenant === null ? null : `"tenant":${JSON.stringify(tenant)}`,
      ),
    waitFor: progress.waitFor,
    close: async () => {
      closing.abort();
      await following.ended;
      await file.close();
    },
  };
}

/** Writes the changes as they come; ends when the stream does, or when it has to begin elsewhere. */
async function followChanges(
  catalog: Catalog,
  file: AuditFile,
  progress: Progress,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const from = progress.position();
  const query = { prefix: keys.change(), afterRevision: from.revision };
  for await (const event of catalog.watch(query, signal)) {
    const { incarnation } = event;
    if (incarnation !== from.incarnation && from.revision > 0) {
      log.warn({ from: from.incarnation, to: incarnation }, "the catalog began anew");
      return progress.reach({ incarnation, revision: 0 });
    }
    if (event.kind === "compacted") {
      const lost = { after: from.revision, upTo: event.compactRevision };
      log.warn(lost, "changes were compacted before this zone could write them to its audit");
      return progress.reach({ incarnation, revision: event.compactRevision });
    }
    const position = { incarnation, revision: event.revision };
    for (const { value } of event.kind === "revision" ? changesIn(event.changes) : [])
      await file.append({ revision: event.revision, outcome: "done", change: value }, position);
    progress.reach(position);
  }
}

const changesIn = (changes: readonly Change[]): readonly Held<ChangeRecord>[] =>
  readEach(
    changes.flatMap((change) =>
      change.kind === "put" && change.record.key === keys.change() ? [change.record] : [],
    ),
    readChange,
  );

interface Progress {
  readonly position: () => Position;
  readonly reach: (position: Position) => void;
  readonly waitFor: (revision: number, signal: AbortSignal) => Promise<void>;
}

function progressFrom(start: Position): Progress {
  const waiters = new Set<() => void>();
  let position = start;
  return {
    position: () => position,
    reach: (next) => {
      position = next;
      for (const waiter of waiters) waiter();
    },
    waitFor: async (revision, signal) => {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const check = () => {
        if (position.revision >= revision) resolve();
      };
      const giveUp = () => reject(signal.reason);
      waiters.add(check);
      signal.addEventListener("abort", giveUp, { once: true });
      try {
        check();
        await promise;
      } finally {
        waiters.delete(check);
        signal.removeEventListener("abort", giveUp);
      }
    },
  };
}

/** How many refusals went unwritten before this one, or null when this one must go unwritten too. */
function refusalBudget(clock: Clock): () => number | null {
  let secondStartMs = Number.NEGATIVE_INFINITY;
  let written = 0;
  let suppressed = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs - secondStartMs >= 1_000) {
      secondStartMs = nowMs;
      written = 0;
    }
    if (written >= REFUSALS_PER_SECOND) {
      suppressed += 1;
      return null;
    }
    written += 1;
    const before = suppressed;
    suppressed = 0;
    return before;
  };
}
