import { randomUUID } from "node:crypto";
import { Compile } from "typebox/compile";
import {
  CATALOG_PATHS,
  DoneAnswer,
  GrantLeaseAnswer,
  RangeAnswer,
  RenewLeaseAnswer,
  TxnAnswer,
} from "#lib/contracts/catalog-wire.ts";
import {
  checkLeaseId,
  checkLeaseTtl,
  checkRange,
  checkRevision,
  checkTransaction,
  checkWatch,
} from "#lib/catalog/limits.ts";
import { MeridianError } from "#lib/errors.ts";
import { type CallKind, catalogFailure, unavailable } from "#lib/io/catalog-failure.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import { remoteWatch } from "#lib/io/remote-watch.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { Catalog, TxnResult } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** Longer than a discovery reading may be old, so that the second try finds a catalog that was restarted. */
const RETRY_DELAY_MS = 250;
/** A write is asked for again after this part of its time, so that there is time left to learn its fate. */
const ATTEMPTS_OF_A_WRITE = 3;

export interface RemoteCatalogOptions {
  readonly discovery: Discovery;
  /** Stays open when the catalog is closed. */
  readonly client: InternalClient;
  readonly clock: Clock;
  /** The whole call, a second try included. */
  readonly callTimeoutMs?: number;
  /** A watch that hears no line for so long is broken; the catalog sends one each second. */
  readonly stallMs?: number;
}

interface Call<Answer> {
  readonly path: string;
  readonly json: unknown;
  readonly answer: { readonly Check: (value: unknown) => value is Answer };
  readonly signal: AbortSignal | undefined;
}

const answers = {
  txn: Compile(TxnAnswer),
  range: Compile(RangeAnswer),
  grantLease: Compile(GrantLeaseAnswer),
  renewLease: Compile(RenewLeaseAnswer),
  done: Compile(DoneAnswer),
};

/** The catalog process, found anew for each call, so that its restart on another port is only a pause. */
export function connectCatalog(options: RemoteCatalogOptions): Catalog {
  const { discovery, client, clock, callTimeoutMs = 10_000, stallMs = 3_000 } = options;
  const closing = new AbortController();

  const findCatalog = async (): Promise<string> => {
    const endpoints = await discovery.list();
    const url = endpoints.find(({ program }) => program === "catalog")?.urls.internal;
    if (url === undefined) throw unavailable("No catalog is published in the run directory.");
    return url;
  };
  const attempt = async <Answer>(
    { path, json, answer, signal }: Call<Answer>,
    kind: CallKind,
    timeoutMs: number,
  ): Promise<Answer> => {
    if (closing.signal.aborted) throw unavailable("This connection to the catalog is closed.");
    if (signal?.aborted === true) throw unavailable("The call was given up before it was sent.");
    const url = await findCatalog();
    try {
      const request = { method: "POST", path, json, timeoutMs, ...(signal && { signal }) } as const;
      const body = await client.json(url, request);
      if (answer.Check(body)) return body;
      throw new Error("the answer is not one of a catalog");
    } catch (error) {
      throw catalogFailure(error, kind);
    }
  };
  /**
   * Asked for again after a lost answer, under the same id: the catalog makes it once and remembers what became of it, beyond its
   * own death. What never arrived is not asked for again.
   */
  const txn = async (call: Call<TxnResult>): Promise<TxnResult> => {
    const endsAtMs = clock.nowMs() + callTimeoutMs;
    const attemptMs = Math.ceil(callTimeoutMs / ATTEMPTS_OF_A_WRITE);
    let lost: MeridianError | undefined;
    for (;;) {
      const leftMs = Math.floor(endsAtMs - clock.nowMs());
      try {
        return await attempt(call, "change", Math.max(1, Math.min(attemptMs, leftMs)));
      } catch (error) {
        if (isAmbiguous(error)) lost = error;
        else if (lost === undefined || !isUnavailable(error)) throw error;
        const isGivenUp = closing.signal.aborted || call.signal?.aborted === true;
        if (isGivenUp || endsAtMs - clock.nowMs() <= RETRY_DELAY_MS) throw lost;
        await clock.sleep(RETRY_DELAY_MS, call.signal).catch(() => undefined);
      }
    }
  };
  /** Sent once: a second sending could make the change twice. */
  const change = <Answer>(call: Call<Answer>) => attempt(call, "change", callTimeoutMs);
  const repeatable = async <Answer>(call: Call<Answer>): Promise<Answer> => {
    const endsAtMs = clock.nowMs() + callTimeoutMs;
    try {
      return await attempt(call, "repeatable", callTimeoutMs);
    } catch (error) {
      const leftMs = Math.floor(endsAtMs - clock.nowMs()) - RETRY_DELAY_MS;
      const isGivenUp = closing.signal.aborted || call.signal?.aborted === true;
      if (!isUnavailable(error) || leftMs <= 0 || isGivenUp) throw error;
      await clock.sleep(RETRY_DELAY_MS, call.signal).catch(() => undefined);
      return await attempt(call, "repeatable", leftMs);
    }
  };

  return {
    txn: async (transaction, signal) => {
      checkTransaction(transaction);
      const json = { ...transaction, operationId: randomUUID() };
      return txn({ path: CATALOG_PATHS.txn, json, answer: answers.txn, signal });
    },
    range: async (query, signal) => {
      checkRange(query);
      return repeatable({ path: CATALOG_PATHS.range, json: query, answer: answers.range, signal });
    },
    watch: async function* (query, signal) {
      checkWatch(query);
      const ending = AbortSignal.any([signal, closing.signal]);
      yield* remoteWatch({ findCatalog, client, clock, stallMs }, query, ending);
      if (closing.signal.aborted && !signal.aborted)
        throw unavailable("This connection to the catalog is closed.");
    },
    grantLease: async (ttlMs, signal) => {
      checkLeaseTtl(ttlMs);
      // A lease whose answer is lost holds nothing and ends by itself.
      const { grantLease: path } = CATALOG_PATHS;
      const answer = answers.grantLease;
      return (await repeatable({ path, json: { ttlMs }, answer, signal })).leaseId;
    },
    renewLease: async (leaseId, signal) => {
      checkLeaseId(leaseId);
      const { renewLease: path } = CATALOG_PATHS;
      const answer = answers.renewLease;
      return (await repeatable({ path, json: { leaseId }, answer, signal })).outcome;
    },
    revokeLease: async (leaseId, signal) => {
      checkLeaseId(leaseId);
      const { revokeLease: path } = CATALOG_PATHS;
      await change({ path, json: { leaseId }, answer: answers.done, signal });
    },
    compact: async (revision, signal) => {
      checkRevision(revision);
      const { compact: path } = CATALOG_PATHS;
      await repeatable({ path, json: { revision }, answer: answers.done, signal });
    },
    close: async () => closing.abort(),
  };
}

const isUnavailable = (error: unknown): boolean =>
  error instanceof MeridianError && error.code === "MERIDIAN_CATALOG_UNAVAILABLE";

const isAmbiguous = (error: unknown): error is MeridianError =>
  error instanceof MeridianError && error.code === "MERIDIAN_WRITE_AMBIGUOUS";
