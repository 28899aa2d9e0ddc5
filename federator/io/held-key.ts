import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { absent, modifiedAt, remove } from "../core/transactions.ts";
import { fetchRecord } from "./read-records.ts";
import { runLoop } from "./run-loop.ts";

/** The holder stops to believe in its lease after this share of the ttl, counted from when it sent the last renewal. */
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

/** Gains the key whenever nobody else holds it, and renews it three times per ttl. */
export function holdKey(options: HeldKeyOptions): HeldKey {
  const { catalog, clock, log, key, ttlMs } = options;
  const closing = new AbortController();
  let holding: Holding | null = null;
  const become = (next: Holding | null): void => {
    holding = next;
    options.onChange?.();
  };

  const renew = async (current: Holding, signal: AbortSignal): Promise<void> => {
    const sentAtMs = clock.nowMs();
    const limited = AbortSignal.any([
      signal,
      AbortSignal.timeout(Math.floor(ttlMs / RENEWALS_PER_TTL)),
    ]);
    if ((await catalog.renewLease(current.leaseId, limited)) === "renewed") {
      become({ ...current, validUntilMs: sentAtMs + ttlMs * BELIEF_SHARE });
      return;
    }
    log.warn({ key }, "the catalog has let the lease expire");
    become(null);
    loop.wake();
  };

  const gain = async (signal: AbortSignal): Promise<void> => {
    const gained = await gainKey(options, giveBack, signal);
    if (gained === "again") loop.wake();
    else if (gained !== "taken") become(gained);
  };

  const giveBack = async (leaseId: string): Promise<void> => {
    await catalog
      .revokeLease(leaseId, AbortSignal.timeout(Math.floor(ttlMs / RENEWALS_PER_TTL)))
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
    (signal) => (holding === null ? gain(signal) : renew(holding, signal)),
  );

  const validForMs = (): number =>
    holding === null ? 0 : Math.max(0, holding.validUntilMs - clock.nowMs());
  return {
    held: () => (validForMs() > 0 ? holding : null),
    validForMs,
    wake: () => {
      if (holding === null) loop.wake();
    },
    close: async (then) => {
      closing.abort(new Error("no longer held"));
      await loop.ended;
      if (holding !== null && then === "revoke") await giveBack(holding.leaseId);
      holding = null;
    },
  };
}

/** `taken`: somebody else holds it; `again`: a predecessor was deposed, and the seat is free. */
async function gainKey(
  options: HeldKeyOptions,
  giveBack: (leaseId: string) => Promise<void>,
  signal: AbortSignal,
): Promise<Holding | "taken" | "again"> {
  const { catalog, clock, log, key, ttlMs } = options;
  const found = await fetchRecord(catalog, key, signal);
  if (found !== undefined && !options.isPredecessor(found)) return "taken";
  if (found !== undefined && options.succession === "depose") {
    await catalog.txn({ compares: [modifiedAt(key, found)], operations: [remove(key)] }, signal);
    return "again";
  }
  const sentAtMs = clock.nowMs();
  const leaseId = await catalog.grantLease(ttlMs, signal);
  // After an error the record may stand or not: the lease is left to expire, never revoked, so that nothing vanishes early.
  const written = await writeRecord(options, found, leaseId, signal);
  if (written === undefined) {
    await giveBack(leaseId);
    return "taken";
  }
  const { createRevision, modRevision: writtenAt } = written;
  log.info({ key, revision: writtenAt }, "gained");
  return { leaseId, createRevision, writtenAt, validUntilMs: sentAtMs + ttlMs * BELIEF_SHARE };
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
