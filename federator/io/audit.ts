import { join } from "node:path";
import type { Logger } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Catalog, WatchEvent } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ChainedEntry } from "./audit-chain.ts";
import { openAuditFile } from "./audit-file.ts";
import { readChange } from "./read-records.ts";
import { type Loop, runLoop } from "./run-loop.ts";

const RETRY_MS = 1_000;
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
  const waiters = new Set<() => void>();
  let position = file.cursor();

  const reach = (next: Position): void => {
    position = next;
    for (const waiter of waiters) waiter();
  };

  const take = async (event: Exclude<WatchEvent, { kind: "compacted" }>): Promise<void> => {
    const { incarnation, revision } = event;
    if (event.kind === "revision") {
      for (const change of event.changes) {
        if (change.kind !== "put" || change.record.key !== keys.change()) continue;
        const held = readChange(change.record);
        if (held === undefined) log.error({ revision }, "a change record cannot be read");
        else
          await file.append(
            { revision, outcome: "done", change: held.value },
            { incarnation, revision },
          );
      }
    }
    reach({ incarnation, revision });
  };

  const follow = async (signal: AbortSignal): Promise<void> => {
    const query = { prefix: keys.change(), afterRevision: position.revision };
    for await (const event of catalog.watch(query, signal)) {
      if (event.incarnation !== position.incarnation && position.revision > 0) {
        log.warn({ from: position.incarnation, to: event.incarnation }, "the catalog began anew");
        return reach({ incarnation: event.incarnation, revision: 0 });
      }
      if (event.kind === "compacted") {
        const { incarnation, compactRevision } = event;
        const lost = { after: position.revision, upTo: compactRevision };
        log.warn(lost, "changes were compacted before this zone could write them to its audit");
        return reach({ incarnation, revision: compactRevision });
      }
      await take(event);
    }
  };
  const following: Loop = runLoop(
    { name: "audit", intervalMs: RETRY_MS, clock, log, signal: closing.signal },
    follow,
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
    waitFor: async (revision, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const check = () => {
        if (position.revision >= revision) resolve();
      };
      const giveUp = () => reject(signal.reason);
      waiters.add(check);
      signal.addEventListener("abort", giveUp, { once: true });
      try {
        signal.throwIfAborted();
        check();
        await promise;
      } finally {
        waiters.delete(check);
        signal.removeEventListener("abort", giveUp);
      }
    },
    close: async () => {
      closing.abort();
      await following.ended;
      await file.close();
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
