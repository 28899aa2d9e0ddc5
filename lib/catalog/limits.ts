import { MeridianError } from "#lib/errors.ts";
import type { RangeQuery, Transaction, WatchQuery } from "#lib/ports/catalog.ts";

/** What one call may ask of a catalog; the same for every driver, and within what etcd allows. */
export const CATALOG_LIMITS = {
  operationsMax: 100,
  /** One less than etcd takes: the driver needs one of its own. */
  comparesMax: 127,
  /** Keys and values of all operations together. */
  transactionBytesMax: 1_000_000,
  keyLengthMax: 512,
  valueBytesMax: 64 * 1024,
  leaseIdLengthMax: 128,
  pageRecordsMax: 2_000,
  leaseTtlMsMin: 100,
  /** A day and a little: the longest that an operator may shift calls. */
  leaseTtlMsMax: 90_000_000,
} as const;

/** Printable ASCII without the space: the order of keys is then the same in every language and every store. */
const KEY_PATTERN = /^[!-~]+$/;
const PREFIX_PATTERN = /^[!-~]*$/;

/** Refuses a transaction outside the limits with MERIDIAN_BAD_REQUEST. */
export function checkTransaction({ compares, operations }: Transaction): void {
  const { operationsMax, comparesMax, transactionBytesMax, valueBytesMax } = CATALOG_LIMITS;
  if (operations.length > operationsMax)
    refuse(`a transaction has at most ${operationsMax} operations, not ${operations.length}`);
  if (compares.length > comparesMax)
    refuse(`a transaction has at most ${comparesMax} comparisons, not ${compares.length}`);
  for (const compare of compares) {
    checkKey(compare.key);
    if ("revision" in compare) checkRevision(compare.revision);
  }

  const keys = new Set<string>();
  for (const operation of operations) {
    checkKey(operation.key);
    if (keys.has(operation.key))
      refuse(`a transaction changes a key once; ${operation.key} appears twice`);
    keys.add(operation.key);
    if (operation.kind === "delete") continue;
    if (operation.leaseId !== undefined) checkLeaseId(operation.leaseId);
    if (!operation.value.isWellFormed())
      refuse(`the value of ${operation.key} is not well-formed Unicode`);
    if (Buffer.byteLength(operation.value) > valueBytesMax)
      refuse(`the value of ${operation.key} is longer than ${valueBytesMax} bytes`);
  }
  if (transactionBytes({ operations }) > transactionBytesMax)
    refuse(`a transaction has at most ${transactionBytesMax} bytes of keys and values; divide it`);
}

/** Bytes of the keys and values it would write. */
export function transactionBytes({ operations }: Pick<Transaction, "operations">): number {
  let bytes = 0;
  for (const operation of operations) {
    bytes += operation.key.length;
    if (operation.kind === "put") bytes += Buffer.byteLength(operation.value);
  }
  return bytes;
}

/** Refuses a query outside the limits with MERIDIAN_BAD_REQUEST. */
export function checkRange({ prefix, limit, atRevision, afterKey }: RangeQuery): void {
  checkPrefix(prefix);
  if (afterKey !== undefined) checkPrefix(afterKey);
  if (atRevision !== undefined) checkRevision(atRevision);
  const { pageRecordsMax } = CATALOG_LIMITS;
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1 || limit > pageRecordsMax))
    refuse(`the limit of a page is 1 to ${pageRecordsMax} records, not ${limit}`);
}

/** Refuses a query outside the limits with MERIDIAN_BAD_REQUEST. */
export function checkWatch({ prefix, afterRevision }: WatchQuery): void {
  checkPrefix(prefix);
  checkRevision(afterRevision);
}

/** Refuses anything but a whole number from zero up. */
export function checkRevision(revision: number): void {
  if (!Number.isSafeInteger(revision) || revision < 0)
    refuse(`a revision is a whole number from 0 up, not ${revision}`);
}

/** Refuses a lease that is too short to renew or too long to wait for. */
export function checkLeaseTtl(ttlMs: number): void {
  const { leaseTtlMsMin, leaseTtlMsMax } = CATALOG_LIMITS;
  if (!Number.isInteger(ttlMs) || ttlMs < leaseTtlMsMin || ttlMs > leaseTtlMsMax)
    refuse(`a lease lives ${leaseTtlMsMin} to ${leaseTtlMsMax} ms between renewals, not ${ttlMs}`);
}

/** Refuses what no driver would name a lease; any other name is that of a lease, or of one that is gone. */
export function checkLeaseId(leaseId: string): void {
  const { leaseIdLengthMax } = CATALOG_LIMITS;
  if (leaseId.length > leaseIdLengthMax || !KEY_PATTERN.test(leaseId))
    refuse(`the name of a lease is 1 to ${leaseIdLengthMax} characters of printable ASCII`);
}

function checkKey(key: string): void {
  if (key.length > CATALOG_LIMITS.keyLengthMax)
    refuse(`a key has at most ${CATALOG_LIMITS.keyLengthMax} characters, not ${key.length}`);
  if (!KEY_PATTERN.test(key))
    refuse(`a key is printable ASCII without spaces and not empty, not ${JSON.stringify(key)}`);
}

function checkPrefix(prefix: string): void {
  if (prefix.length > CATALOG_LIMITS.keyLengthMax || !PREFIX_PATTERN.test(prefix))
    refuse(
      `a prefix is at most ${CATALOG_LIMITS.keyLengthMax} characters of printable ASCII without spaces`,
    );
}

function refuse(why: string): never {
  throw new MeridianError("MERIDIAN_BAD_REQUEST", `The catalog refuses this: ${why}.`);
}
