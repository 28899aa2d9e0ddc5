import type { Logger } from "pino";
import { prefixes } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { CatalogRecovery } from "#lib/contracts/catalog-status.ts";
import { deadline } from "#lib/deadline.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import {
  type RecoveryBatch,
  type RecoveryGroup,
  packBatches,
} from "../../core/replica/plan-recovery.ts";
import { absent, withChange } from "../../core/transactions.ts";
import { federationOperation, lookAtCatalog } from "./identify-catalog.ts";
import { functionGroups, independentGroups } from "./recoverable-groups.ts";
import type { RunningReplica } from "./replica.ts";

/** One call works so long; whoever asked calls again for the rest. */
const WORK_MS = 15_000;
/** How long the zone may take to follow a catalog that has just got its name back, and its own writes. */
const FOLLOW_TIMEOUT_MS = 10_000;
const NAMED_KEYS_MAX = 100;

export interface RecoverOptions {
  /** As it is, refused or not. */
  readonly catalog: Catalog;
  readonly replica: RunningReplica;
  readonly clock: Clock;
  readonly log: Logger;
  readonly zone: string;
}

/**
 * Writes back what a restored catalog lost and this zone kept, never over anything newer; into an emptied catalog everything, its
 * name first. What is written back comes to this zone as any other change and is stranded no more.
 */
export async function recoverCatalog(
  options: RecoverOptions,
  change: ChangeRecord,
  signal: AbortSignal,
): Promise<CatalogRecovery> {
  const { replica, clock, log, zone } = options;
  if (replica.refusal() !== null) await nameAgain(options, change, signal);

  const endsAtMs = clock.nowMs() + WORK_MS;
  const { reads } = replica.state;
  const writeBack = (groups: Iterable<RecoveryGroup>) =>
    writeGroups(options, groups, endsAtMs, change, signal);
  let written = await writeBack(independentGroups(reads));
  // Only what has come back through the catalog is stranded no more.
  await followed(options, written.revision, signal);
  if (written.isDone) {
    const functions = await writeBack(functionGroups(reads));
    await followed(options, functions.revision, signal);
    written = { ...functions, records: written.records + functions.records };
  }
  const { records: recovered, isDone } = written;
  const { count } = replica.stranded();
  log.warn({ recovered, left: count, isDone }, "lost records were written back to the catalog");
  return {
    zone,
    recovered,
    isDone,
    left: count,
    leftKeys: replica.state.reads.strandedPage("", "", NAMED_KEYS_MAX).map(({ key }) => key),
  };
}

/** Batch after batch until all are written, or the time is over. */
async function writeGroups(
  options: RecoverOptions,
  groups: Iterable<RecoveryGroup>,
  endsAtMs: number,
  change: ChangeRecord,
  signal: AbortSignal,
): Promise<{ readonly records: number; readonly revision: number; readonly isDone: boolean }> {
  let records = 0;
  let revision = 0;
  let blocked: RecoveryGroup[] = [];
  for (const batch of packBatches(groups)) {
    if (options.clock.nowMs() > endsAtMs) return { records, revision, isDone: false };
    const written = await writeBatch(options, batch, blocked, change, signal);
    if (!batch.isWhole && written.blocked.length > 0) blocked = [...blocked, ...written.blocked];
    records += written.records;
    revision = Math.max(revision, written.revision);
  }
  return { records, revision, isDone: true };
}

interface Written {
  readonly records: number;
  readonly revision: number;
  readonly blocked: readonly RecoveryGroup[];
}

/** A group that has something newer in its way is left out, and the others are tried without it. */
async function writeBatch(
  { catalog, zone }: RecoverOptions,
  batch: RecoveryBatch,
  blockedBefore: readonly RecoveryGroup[],
  change: ChangeRecord,
  signal: AbortSignal,
): Promise<Written> {
  const blocked: RecoveryGroup[] = [];
  let groups = batch.groups.filter((group) => !isPartOf(group, blockedBefore));
  while (groups.length > 0) {
    const records = groups.flat();
    const operations = records.map(({ key, value }) => ({ kind: "put", key, value }) as const);
    const told = { ...change, detail: { ...change.detail, zone, records: records.length } };
    const result = await catalog.txn(
      withChange({ compares: records.map(replaces), operations }, told),
      signal,
    );
    if (result.kind === "committed")
      return { records: records.length, revision: result.revision, blocked };
    const inTheWay = groups.filter((group) => group.some(({ key }) => key === result.failedKey));
    if (inTheWay.length === 0) break;
    blocked.push(...inTheWay);
    groups = groups.filter((group) => !inTheWay.includes(group));
  }
  return { records: 0, revision: 0, blocked: [...blocked, ...groups] };
}

/** A later part of a group that was divided is not written when an earlier one could not be. */
const isPartOf = (group: RecoveryGroup, blocked: readonly RecoveryGroup[]): boolean =>
  blocked.some((other) => ownerOf(other) === ownerOf(group));

const ownerOf = (group: RecoveryGroup): string =>
  (group[0]?.key ?? "").split("/").slice(1, 3).join("/");

const replaces = ({ key, replacesRevision }: RecoveryGroup[number]): Compare =>
  replacesRevision === null
    ? absent(key)
    : { kind: "modified-at", key, revision: replacesRevision };

/** An emptied catalog gets its name back, so that all zones follow it again and strand what it lacks. */
async function nameAgain(
  { catalog, replica, clock, log }: RecoverOptions,
  change: ChangeRecord,
  signal: AbortSignal,
): Promise<void> {
  const { federationId } = replica.state.stored();
  const { federation, position } = await lookAtCatalog(catalog, signal);
  const functions = await catalog.range({ prefix: prefixes.functions, limit: 1 }, signal);
  const isEmptied = functions.kind === "page" && functions.records.length === 0;
  if (federation.kind !== "nameless" || federationId === null || !isEmptied)
    throw new MeridianError(
      "MERIDIAN_CATALOG_FOREIGN",
      "The catalog is not an emptied one of this federation, so nothing is written to it; connect the zone to its own, or to an empty one.",
    );
  const operation = federationOperation(federationId, clock.wallMs());
  const named = await catalog.txn(
    withChange({ compares: [absent(operation.key)], operations: [operation] }, change),
    signal,
  );
  log.warn({ federationId }, "the emptied catalog has its name again");
  replica.wake();
  using limit = deadline(clock, FOLLOW_TIMEOUT_MS, signal);
  const isThere = (): boolean => {
    const cursor = replica.cursor();
    return cursor?.incarnation === position.incarnation && cursor.revision >= named.revision;
  };
  while (!isThere() && replica.heldBack() === null) await clock.sleep(50, limit.signal);
}

async function followed(
  { replica, clock }: RecoverOptions,
  revision: number,
  signal: AbortSignal,
): Promise<void> {
  using limit = deadline(clock, FOLLOW_TIMEOUT_MS, signal);
  await replica.waitFor(revision, limit.signal).catch(() => undefined);
}
