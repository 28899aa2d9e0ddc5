import type { Logger } from "pino";
import type { BucketEntry, DigestMark } from "#lib/contracts/replica-wire.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { deadline } from "#lib/deadline.ts";
import { changesSince, type Repairer, type Truth } from "./repair-records.ts";
import type { ReplicaDigests } from "./replica-digests.ts";
import type { ReplicaState } from "./replica-state.ts";
import { type Loop, runLoop } from "../run-loop.ts";

/** For one peer's part in a turn; a frozen one holds up the others no longer. */
const PEER_TIMEOUT_MS = 10_000;
/** More differing buckets or keys than these are found in the next turns, and by the scrub. */
const BUCKETS_PER_TURN = 16;
const KEYS_PER_TURN = 500;

export interface CompareOptions {
  readonly catalog: Catalog;
  readonly state: ReplicaState;
  readonly own: ReplicaDigests;
  /** The replicas of the other zones that can be reached now. */
  readonly peers: () => Promise<ReadonlyMap<string, ReplicaDigests>>;
  readonly repairer: Repairer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
}

/** Compares this replica with each of the others; where they differ, the catalog says whether it is this one that is wrong. */
export function compareDigests(options: CompareOptions, signal: AbortSignal): Loop {
  const { clock, log, intervalMs, peers } = options;
  return runLoop({ name: "compare digests", intervalMs, clock, log, signal }, async () => {
    for (const [zone, peer] of await peers()) {
      using limit = deadline(clock, PEER_TIMEOUT_MS, signal);
      await compareWith(options, zone, peer, limit.signal).catch((error: unknown) => {
        if (!signal.aborted) log.info({ zone, err: error }, "a replica could not be compared");
      });
    }
  });
}

async function compareWith(
  options: CompareOptions,
  zone: string,
  peer: ReplicaDigests,
  signal: AbortSignal,
): Promise<void> {
  const { own, log } = options;
  const common = newestCommon(await own.marks(signal), await peer.marks(signal));
  if (common === undefined || common.isEqual) return;
  const { position } = common;
  const buckets = await differingBuckets(own, peer, position, signal);
  log.warn({ zone, position, buckets: buckets.length }, "the replica of that zone differs");
  const keys: string[] = [];
  for (const bucket of buckets.slice(0, BUCKETS_PER_TURN))
    keys.push(
      ...differingKeys(await own.bucket(bucket, signal), await peer.bucket(bucket, signal)),
    );
  await checkAgainstCatalog(options, keys.slice(0, KEYS_PER_TURN), signal);
}

interface CommonPosition {
  readonly position: Position;
  readonly isEqual: boolean;
}

function newestCommon(
  ours: readonly DigestMark[],
  theirs: readonly DigestMark[],
): CommonPosition | undefined {
  const nameOf = ({ position }: DigestMark): string =>
    `${position.incarnation} ${position.revision}`;
  const known = new Map(theirs.map((mark) => [nameOf(mark), mark.digest]));
  for (const mark of ours) {
    const digest = known.get(nameOf(mark));
    if (digest !== undefined) return { position: mark.position, isEqual: digest === mark.digest };
  }
  return undefined;
}

async function differingBuckets(
  own: ReplicaDigests,
  peer: ReplicaDigests,
  position: Position,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const ours = await own.sums(position, signal);
  const theirs = await peer.sums(position, signal);
  if (ours === null || theirs === null) return [];
  return ours.flatMap((sum, bucket) => (sum === theirs[bucket] ? [] : [bucket]));
}

function differingKeys(
  ours: readonly BucketEntry[],
  theirs: readonly BucketEntry[],
): readonly string[] {
  const hashes = new Map(ours.map(({ key, hash }) => [key, hash]));
  const differing: string[] = [];
  for (const { key, hash } of theirs) {
    if (hashes.get(key) !== hash) differing.push(key);
    hashes.delete(key);
  }
  return [...differing, ...hashes.keys()];
}

async function checkAgainstCatalog(
  { catalog, state, repairer }: CompareOptions,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const cursor = state.cursor();
  if (cursor === undefined || keys.length === 0) return;
  using since = changesSince(state);
  const truths: Truth[] = [];
  for (const key of keys) {
    // The key itself is the first of all that begin with it.
    const query = { prefix: key, limit: 1, atRevision: cursor.revision };
    const page = await catalog.range(query, signal);
    if (page.kind === "compacted" || page.incarnation !== cursor.incarnation) return;
    truths.push({ key, record: page.records.find((record) => record.key === key) });
  }
  await repairer.putRight(truths, since, "digest");
}
