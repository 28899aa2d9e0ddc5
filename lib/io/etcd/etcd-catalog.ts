import { strict as assert } from "node:assert";
import {
  checkLeaseId,
  checkLeaseTtl,
  checkRange,
  checkRevision,
  checkTransaction,
  checkWatch,
} from "#lib/catalog/limits.ts";
import { clusterIdentity } from "#lib/io/etcd/cluster-identity.ts";
import type { EtcdConnection } from "#lib/io/etcd/etcd-client.ts";
import { etcdError, etcdUnavailable } from "#lib/io/etcd/etcd-failure.ts";
import { etcdKeys } from "#lib/io/etcd/etcd-keys.ts";
import { etcdLeases } from "#lib/io/etcd/etcd-leases.ts";
import { etcdPages } from "#lib/io/etcd/etcd-pages.ts";
import { type CallLimits, type EtcdRoleOptions, etcdRole } from "#lib/io/etcd/etcd-role.ts";
import { etcdWatch } from "#lib/io/etcd/etcd-watch.ts";
import { etcdWrites } from "#lib/io/etcd/etcd-writes.ts";
import { readCompactRevision } from "#lib/io/etcd/read-compact-revision.ts";
import { writeMarks } from "#lib/io/etcd/write-marks.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";

export interface EtcdCatalogOptions extends EtcdConnection {
  /** Ends in a slash. Writers' marks are in the folder `PREFIX-writers/` beside it. */
  readonly keyPrefix?: string;
  /** The same after a restart, which then reuses the marks of before; of no other running process. */
  readonly writerName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly callTimeoutMs?: number;
  /** Of that, how long one member may take before the next is asked. */
  readonly attemptTimeoutMs?: number;
  readonly stallMs?: number;
  readonly pauseMsMin?: number;
  readonly pauseMsMax?: number;
}

const WRITER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Opening waits no longer for a member that is silent. */
const LOOK_MS_MAX = 2_000;
const KEY_PREFIX = /^[!-~]*[!-.0-~]\/$/;

/**
 * The catalog in an etcd of 3.5.16 or newer, over etcd3's connections and low-level clients. Its watchers, leases, elections and
 * retries are not used: they lose events, overlap leaders and write twice.
 */
export async function openEtcdCatalog(options: EtcdCatalogOptions): Promise<Catalog> {
  const { keyPrefix = "meridian/", writerName, clock, random, stallMs = 3_000 } = options;
  const { callTimeoutMs = 10_000, attemptTimeoutMs = Math.min(3_000, callTimeoutMs) } = options;
  assert(KEY_PREFIX.test(keyPrefix), `${keyPrefix} is no prefix that ends in one slash`);
  assert(WRITER_NAME.test(writerName), `${writerName} is no writer's name`);
  const { pauseMsMin = 50, pauseMsMax = 1_000 } = options;
  const identity = clusterIdentity(options, clock, Math.min(LOOK_MS_MAX, attemptTimeoutMs));
  await identity.look();

  const limits = { attemptTimeoutMs, pauseMsMin, pauseMsMax };
  const roleOptions: EtcdRoleOptions = { connection: options, identity, clock, random, limits };
  const calls = etcdRole(roleOptions);
  const watches = etcdRole(roleOptions);
  const renewals = etcdRole(roleOptions);
  const keys = etcdKeys(keyPrefix);
  const readPage = etcdPages(calls, keys);
  const marks = writeMarks(calls, clock, {
    folder: `${keyPrefix.slice(0, -1)}-writers/${writerName}/`,
    processId: randomWord(random),
  });
  const write = etcdWrites(calls, keys, marks);
  const leases = etcdLeases(renewals, clock, attemptTimeoutMs);
  const watchOptions = {
    role: watches,
    clock,
    stallMs,
    keys,
    openTimeoutMs: attemptTimeoutMs,
    giveUpAfterMs: callTimeoutMs,
  };
  const closing = new AbortController();

  const begin = (signal: AbortSignal | undefined): CallLimits => {
    if (closing.signal.aborted) throw etcdUnavailable(CLOSED);
    if (signal?.aborted === true)
      throw etcdUnavailable("The call was given up before it was sent.", signal.reason);
    return { endsAtMs: clock.nowMs() + callTimeoutMs, signal };
  };

  return {
    txn: async (transaction, signal) => {
      checkTransaction(transaction);
      return await write(transaction, begin(signal));
    },
    range: async (query, signal) => {
      checkRange(query);
      const page = await readPage(query, begin(signal));
      if (page !== "compacted") return page;
      const asked = Math.max(1, query.atRevision ?? 1);
      const compactRevision = await readCompactRevision(watchOptions, keys, asked, signal);
      return { kind: "compacted", compactRevision };
    },
    watch: async function* (query, signal) {
      checkWatch(query);
      if (closing.signal.aborted) throw etcdUnavailable(CLOSED);
      yield* etcdWatch(watchOptions, query, AbortSignal.any([signal, closing.signal]));
      if (closing.signal.aborted && !signal.aborted) throw etcdUnavailable(CLOSED);
    },
    grantLease: async (ttlMs, signal) => {
      checkLeaseTtl(ttlMs);
      return await leases.grant(ttlMs, begin(signal));
    },
    renewLease: async (leaseId, signal) => {
      checkLeaseId(leaseId);
      return await leases.renew(leaseId, begin(signal));
    },
    revokeLease: async (leaseId, signal) => {
      checkLeaseId(leaseId);
      await leases.revoke(leaseId, begin(signal));
    },
    compact: async (revision, signal) => {
      checkRevision(revision);
      const sent = await calls.settle(
        ({ client, options }) => client.kv.compact({ revision }, options),
        begin(signal),
      );
      // Compacting less than was compacted is nothing.
      if (sent.kind === "failed" && sent.failure.reason !== "compacted")
        throw etcdError(sent.failure, sent.cause);
    },
    close: async () => {
      closing.abort();
      leases.close();
      for (const role of [calls, watches, renewals]) role.close();
    },
  };
}

const CLOSED = "This connection to the catalog is closed.";

function randomWord(random: Random): string {
  return Array.from({ length: 16 }, () => Math.floor(random.next() * 36).toString(36)).join("");
}
