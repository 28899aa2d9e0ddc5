import type { BucketEntry } from "#lib/contracts/replica-wire.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Change } from "#lib/ports/catalog.ts";
import { changedKey } from "#lib/catalog/history.ts";
import { bucketOf } from "../../core/replica/multiset-digest.ts";
import { type DigestLedger, digestLedger } from "./digest-ledger.ts";
import type { EngineGround, Witness } from "./engine-ground.ts";
import { hashText, recordHash } from "./record-hash.ts";
import type { ReplicaTables } from "./replica-tables.ts";
import { type SnapshotSession, snapshotSession } from "./snapshot-session.ts";
import { type StrandedCount, strandedLedger } from "./stranded-ledger.ts";

/** So many keys of the newest revision are remembered, to be found again in the catalog. */
const WITNESSES_MAX = 4;
/** Rows looked through in one step of a listing; about 10 ms. */
const LISTING_ROWS = 10_000;

/** All that a replica knows of itself besides its records. */
export interface StoredReplica {
  /** Undefined before the first revision. */
  readonly position: Position | undefined;
  readonly federationId: string | null;
  readonly witnesses: readonly Witness[];
  readonly stranded: StrandedCount;
  /** See `digest-ledger.ts`. */
  readonly sums: Uint8Array | undefined;
}

export interface BucketStep {
  readonly entries: readonly BucketEntry[];
  /** Where the next step begins; null after the last one. */
  readonly nextAfterKey: string | null;
}

/** Everything that is ever done to a replica's disk, each call one step; a call that fails leaves the disk as it was. */
export interface ReplicaEngine extends SnapshotSession {
  readonly state: () => StoredReplica;
  /** Changes, position, digests and the rest become durable together. */
  readonly apply: (position: Position, changes: readonly Change[]) => void;
  /** Puts right what should never have become wrong: the position stays. */
  readonly repair: (changes: readonly Change[]) => void;
  readonly nameFederation: (federationId: string) => void;
  readonly dropStranded: () => void;
  readonly verifyStep: () => ReturnType<DigestLedger["verifyStep"]>;
  readonly listBucket: (bucket: number, afterKey: string) => BucketStep;
  readonly checkpoint: () => void;
  readonly close: () => void;
}

export function replicaEngine(tables: ReplicaTables): ReplicaEngine {
  const digests = digestLedger(tables);
  const stranded = strandedLedger(tables);
  const set: EngineGround["set"] = (key, record) => {
    digests.change(tables.get(key), record);
    if (record === undefined) tables.remove(key);
    else tables.put(record);
  };
  const setWitnesses: EngineGround["setWitnesses"] = (witnesses) =>
    tables.setNote("witnesses", JSON.stringify(witnesses));
  const readState = (): StoredReplica => ({
    position: tables.cursor(),
    federationId: tables.note("federation") ?? null,
    witnesses: readWitnesses(tables),
    stranded: stranded.count(),
    sums: digests.sums(),
  });
  // Of what is committed: a snapshot in the making shows nothing of itself.
  let committed = readState();
  const commit = (): void => {
    digests.flush();
    stranded.flush();
    tables.commit();
    committed = readState();
  };
  const rollback = (): void => {
    tables.rollback();
    digests.reload();
    stranded.reload();
  };
  const inTransaction = <T>(work: () => T): T => {
    tables.begin();
    try {
      const result = work();
      commit();
      return result;
    } catch (error) {
      rollback();
      throw error;
    }
  };
  return {
    ...snapshotSession({ tables, stranded, set, setWitnesses, commit, rollback }),
    state: () => committed,
    apply: (position, changes) =>
      inTransaction(() => {
        for (const change of changes) {
          const record = change.kind === "put" ? change.record : undefined;
          set(changedKey(change), record);
          stranded.heard(changedKey(change), record?.value);
        }
        if (changes.length > 0) setWitnesses(changes.slice(0, WITNESSES_MAX).map(witnessOf));
        tables.setCursor(position);
      }),
    repair: (changes) =>
      inTransaction(() => {
        for (const change of changes)
          set(changedKey(change), change.kind === "put" ? change.record : undefined);
      }),
    nameFederation: (federationId) =>
      inTransaction(() => tables.setNote("federation", federationId)),
    dropStranded: () => inTransaction(stranded.dropAll),
    verifyStep: () => inTransaction(digests.verifyStep),
    listBucket: (bucket, afterKey) => listBucket(tables, bucket, afterKey),
    checkpoint: tables.checkpoint,
    close: tables.close,
  };
}

const witnessOf = (change: Change): Witness => ({
  key: changedKey(change),
  modRevision: change.kind === "put" ? change.record.modRevision : null,
});

function readWitnesses(tables: ReplicaTables): readonly Witness[] {
  // Written by this program alone, together with the records it speaks of.
  return JSON.parse(tables.note("witnesses") ?? "[]") as readonly Witness[];
}

function listBucket(tables: ReplicaTables, bucket: number, afterKey: string): BucketStep {
  const rows = tables.page({ afterKey, limit: LISTING_ROWS });
  const entries = rows
    .filter(({ key }) => bucketOf(key) === bucket)
    .map((record) => ({
      key: record.key,
      modRevision: record.modRevision,
      hash: hashText(recordHash(record)),
    }));
  return { entries, nextAfterKey: rows.length < LISTING_ROWS ? null : (rows.at(-1)?.key ?? null) };
}
