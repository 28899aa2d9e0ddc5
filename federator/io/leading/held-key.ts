import type { Logger } from "pino";
import { deadline } from "#lib/deadline.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { absent, modifiedAt, remove } from "../../core/transactions.ts";
import { fetchRecord } from "../read-records.ts";
import { runLoop } from "../run-loop.ts";

/**
 * The holder stops to believe in its lease after this share of the ttl, counted from when it sent the last renewal. The catalog
 * counts the whole ttl from when the renewal came, which is later; the rest is for clocks that do not run at one rate.
 */
const BELIEF_SHARE = 0.9;
const RENEWALS_PER_TTL = 3;

export interface HeldKeyOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly key: string;
  readonly value: string;
  readonly ttlMs: number;
  /** Whether the record there was left by an earlier process of this zone, which is dead. */
  readonly isPredecessor: (record: CatalogRecord) => boolean;
  /**
   * `replace` writes over a predecessor's record, so that the key never seems to vanish; `depose` deletes it first, so that
   * its create revision becomes worth nothing.
   */
  readonly succession: "replace" | "depose";
  /** After each gain, each renewal and each loss. */
  readonly onChange?: () => void;
}

/** A record that lives as long as this process renews its lease. */
export interface HeldKey {
  /** The record as this process wrote it, while it is certainly in force. */
  readonly held: () => { readonly createRevision: number; readonly writtenAt: number } | null;
  /** For how much longer it is certainly in force, without another renewal; by the monotonic clock. */
  readonly validForMs: () => number;
  /** Tries to gain or renew it now. */
  readonly wake: () => void;
  readonly close: (then: "revoke" | "let-expire") => Promise<void>;
}

interface Holding {
  readonly leaseId: string;
  readonly createRevision: number;
  readonly writtenAt: number;
  readonly validUntilMs: number;
}

/** A lease that was granted for a record of which it is not known whether it was written. */
interface Candidacy {
  readonly leaseId: string;
  readonly validUntilMs: number;
}

/** Gains the key whenever nobody else holds it, and renews it three times per ttl. */
export function holdKey(options: HeldKeyOptions): HeldKey {
  const { catalog, clock, log, key, ttlMs } = options;
  const closing = new AbortController();
  let holding: Holding | null = null;
  let candidacy: Candidacy | null = null;
  const become = (next: Holding | null): void => {
    holding = next;
    options.onChange?.();
  };

  const renew = async (current: Holding, signal: AbortSignal): Promise<void> => {
    const sentAtMs = clock.nowMs();
    using limit = deadline(clock, Math.floor(ttlMs / RENEWALS_PER_TTL), signal);
    if ((await catalog.renewLease(current.leaseId, limit.signal)) === "gone")
      return lose("the catalog has let the lease expire");
    become({ ...current, validUntilMs: sentAtMs + ttlMs * BELIEF_SHARE });
    // The lease can outlive the record: where somebody else deleted it, or wrote over it.
    const found = await fetchRecord(catalog, key, limit.signal);
    if (found?.leaseId === current.leaseId) return;
    lose("somebody else has taken the record away");
    await giveBack(current.leaseId);
  };

  const lose = (why: string): void => {
    log.warn({ key }, why);
    become(null);
    loop.wake();
  };

  const gain = async (signal: AbortSignal): Promise<void> => {
    const found = await fetchRecord(catalog, key, signal);
    // An earlier attempt whose fate was not known, and which has succeeded after all.
    if (found !== undefined && found.leaseId === candidacy?.leaseId) return win(found, candidacy);
    if (found !== undefined && !options.isPredecessor(found)) return;
    if (found !== undefined && options.succession === "depose") {
      await catalog.txn({ compares: [modifiedAt(key, found)], operations: [remove(key)] }, signal);
      return loop.wake();
    }
    const sentAtMs = clock.nowMs();
    const leaseId = await catalog.grantLease(ttlMs, signal);
    candidacy = { leaseId, validUntilMs: sentAtMs + ttlMs * BELIEF_SHARE };
    const written = await writeRecord(options, found, leaseId, signal);
    if (written !== undefined) return win(written, candidacy);
    candidacy = null;
    await giveBack(leaseId);
  };

  const win = ({ createRevision, modRevision }: CatalogRecord, its: Candidacy): void => {
    candidacy = null;
    log.info({ key, revision: modRevision }, "gained");
    become({ ...its, createRevision, writtenAt: modRevision });
  };

  const giveBack = async (leaseId: string): Promise<void> => {
    using limit = deadline(clock, Math.floor(ttlMs / RENEWALS_PER_TTL));
    await catalog
      .revokeLease(leaseId, limit.signal)
      .catch((error: unknown) => log.debug({ err: error, key }, "the lease is left to expire"));
  };

  const loop = runLoop(
    {
      name: `hold ${key}`,
      intervalMs: ttlMs / RENEWALS_PER_TTL,
      clock,
      log,
      signal: closing.signal,
    },
    async (signal) => {
      if (holding !== null) return renew(holding, signal);
      // What comes later than the lease could last is of no use, and the seat must not wait for it.
      using limit = deadline(clock, ttlMs, signal);
      return await gain(limit.signal);
    },
  );

  const validForMs = (): number =>
    holding === null || closing.signal.aborted
      ? 0
      : Math.max(0, holding.validUntilMs - clock.nowMs());
  return {
    held: () => (validForMs() > 0 ? holding : null),
    validForMs,
    wake: () => {
      if (holding === null) loop.wake();
    },
    close: async (then) => {
      closing.abort(new Error("no longer held"));
      await loop.ended;
      const lease = holding ?? candidacy;
      if (lease !== null && then === "revoke") await giveBack(lease.leaseId);
      holding = null;
    },
  };
}

/** The record as written with the lease; undefined when somebody else was faster. */
async function writeRecord(
  { catalog, key, value }: HeldKeyOptions,
  found: CatalogRecord | undefined,
  leaseId: string,
  signal: AbortSignal,
): Promise<CatalogRecord | undefined> {
  const compare = found === undefined ? absent(key) : modifiedAt(key, found);
  try {
    const result = await catalog.txn(
      { compares: [compare], operations: [{ kind: "put", key, value, leaseId }] },
      signal,
    );
    if (result.kind === "conflict") return undefined;
    const { revision } = result;
    const createRevision = found?.createRevision ?? revision;
    return { key, value, leaseId, createRevision, modRevision: revision };
  } catch (error) {
    if (!(error instanceof MeridianError) || error.code !== "MERIDIAN_WRITE_AMBIGUOUS") throw error;
    const now = await fetchRecord(catalog, key, signal);
    return now?.leaseId === leaseId ? now : undefined;
  }
}
