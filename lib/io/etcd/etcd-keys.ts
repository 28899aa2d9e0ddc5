import type { IKeyValue, IResponseHeader } from "etcd3";
import { strict as assert } from "node:assert";
import type { CatalogRecord } from "#lib/ports/catalog.ts";

/** A catalog is what lies below its prefix; other prefixes of the same etcd are no concern of its own. */
export interface EtcdKeys {
  readonly toKey: (key: string) => Buffer;
  readonly fromKey: (key: Buffer) => string;
  /** The first key and, exclusively, the last. */
  readonly rangeOf: (prefix: string, afterKey: string) => { key: Buffer; range_end: Buffer };
  readonly toRecord: (found: IKeyValue) => CatalogRecord;
}

export function etcdKeys(keyPrefix: string): EtcdKeys {
  const toKey = (key: string): Buffer => Buffer.from(`${keyPrefix}${key}`, "latin1");
  const fromKey = (key: Buffer): string => key.toString("utf8", keyPrefix.length);
  return {
    toKey,
    fromKey,
    rangeOf: (prefix, afterKey) => ({
      // The next key after one is itself and a zero byte.
      key: toKey(afterKey < prefix || afterKey === "" ? prefix : `${afterKey}\0`),
      range_end: endOfPrefix(toKey(prefix)),
    }),
    toRecord: (found) => ({
      key: fromKey(found.key),
      value: found.value.toString("utf8"),
      createRevision: toRevision(found.create_revision),
      modRevision: toRevision(found.mod_revision),
      leaseId: found.lease === "0" ? null : found.lease,
    }),
  };
}

/** Keys are ASCII, and so is the prefix of them all: its last character has one that follows. */
function endOfPrefix(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] ?? 0) + 1;
  return end;
}

/** etcd counts in 64 bits; a number keeps 53, which at 1,000 revisions a second last 285,000 years. */
export function toRevision(text: string): number {
  const revision = Number(text);
  assert(Number.isSafeInteger(revision), `etcd's revision ${text} is beyond what a number holds`);
  return revision;
}

/** The cluster's id as etcd's own tools print it. */
export const incarnationOf = (header: IResponseHeader): string =>
  BigInt(header.cluster_id).toString(16);
