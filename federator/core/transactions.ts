import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { Compare, Operation, Transaction } from "#lib/ports/catalog.ts";

/** A record of the catalog, parsed, with the revision that wrote it last. */
export interface Held<T> {
  readonly value: T;
  readonly modRevision: number;
}

export const absent = (key: string): Compare => ({ kind: "absent", key });
export const present = (key: string): Compare => ({ kind: "present", key });
export const modifiedAt = (key: string, held: Held<unknown>): Compare => ({
  kind: "modified-at",
  key,
  revision: held.modRevision,
});

/** As it was read at its revision, or still not there. */
export const unchangedSince = (key: string, revision: number | undefined): Compare =>
  revision === undefined ? absent(key) : { kind: "modified-at", key, revision };

export const put = (key: string, record: unknown): Operation => ({
  kind: "put",
  key,
  value: JSON.stringify(record),
});
export const remove = (key: string): Operation => ({ kind: "delete", key });

/** Puts the story of the change into the revision that makes it. */
export const withChange = (transaction: Transaction, change: ChangeRecord): Transaction => ({
  compares: transaction.compares,
  operations: [...transaction.operations, put(keys.change(), change)],
});
