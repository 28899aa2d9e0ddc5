import type { ICompare, IRequestOp, ITxnRequest, ITxnResponse } from "etcd3";
import { compareHolds } from "#lib/catalog/history.ts";
import { toLeaseId } from "#lib/io/etcd/etcd-leases.ts";
import { type EtcdKeys, toRevision } from "#lib/io/etcd/etcd-keys.ts";
import type { Compare, Operation, Transaction, TxnResult } from "#lib/ports/catalog.ts";

/** The mark that a transaction overwrites when it is made, and the revision that wrote it last. */
export interface TransactionMark {
  readonly key: Buffer;
  readonly modRevision: number;
  readonly nextValue: Buffer;
}

/** `mark-taken`: the mark was written since, so that the transaction was not made; the value tells by whom. */
export type TransactionAnswer =
  | (TxnResult & { readonly markRevision: number })
  | { readonly kind: "mark-taken"; readonly markRevision: number; readonly markValue: string };

/** In etcd's terms, tied to the mark; on failure etcd tells of all compared keys as they were at that moment. */
export function encodeTransaction(
  { compares, operations }: Transaction,
  keys: EtcdKeys,
  mark: TransactionMark,
): ITxnRequest {
  const putMark: IRequestOp = { request_put: { key: mark.key, value: mark.nextValue } };
  const changes = operations.map((operation) => encodeOperation(operation, keys));
  const hasPut = operations.some(({ kind }) => kind === "put");
  return {
    compare: [
      markIs(mark.key, mark.modRevision),
      ...compares.map((compare) => encodeCompare(compare, keys)),
    ],
    success: hasPut
      ? [putMark, ...changes]
      : [{ request_txn: changeUnlessAbsent(operations, [putMark, ...changes], keys) }],
    failure: [
      { request_range: { key: mark.key } },
      ...comparedKeys(compares).map((key) => ({
        request_range: { key: keys.toKey(key), keys_only: true },
      })),
    ],
  };
}

export const markIs = (key: Buffer, modRevision: number): ICompare => ({
  target: "Mod",
  result: "Equal",
  key,
  mod_revision: modRevision,
});

/** What the answer to an encoded transaction means. */
export function decodeTransaction(
  { header, succeeded, responses }: ITxnResponse,
  { compares, operations }: Transaction,
  mark: TransactionMark,
): TransactionAnswer {
  const revision = toRevision(header.revision);
  if (succeeded) {
    const hasPut = operations.some(({ kind }) => kind === "put");
    const isUnchanged = !hasPut && responses[0]?.response_txn.succeeded === true;
    const markRevision = isUnchanged ? mark.modRevision : revision;
    return { kind: "committed", revision, markRevision };
  }
  const [foundMark, ...found] = responses.map(({ response_range }) => response_range.kvs[0]);
  const byKey = new Map(comparedKeys(compares).map((key, index) => [key, found[index]]));
  const failed = compares.find((compare) => {
    const record = byKey.get(compare.key);
    return !compareHolds(
      compare,
      record && {
        createRevision: toRevision(record.create_revision),
        modRevision: toRevision(record.mod_revision),
      },
    );
  });
  const markRevision = toRevision(foundMark?.mod_revision ?? "0");
  if (markRevision !== mark.modRevision || failed === undefined)
    return { kind: "mark-taken", markRevision, markValue: foundMark?.value.toString() ?? "" };
  return { kind: "conflict", revision, failedKey: failed.key, markRevision };
}

const comparedKeys = (compares: readonly Compare[]): string[] => [
  ...new Set(compares.map(({ key }) => key)),
];

function encodeCompare(compare: Compare, keys: EtcdKeys): ICompare {
  const key = keys.toKey(compare.key);
  switch (compare.kind) {
    case "absent":
      return { target: "Create", result: "Equal", key, create_revision: 0 };
    case "present":
      return { target: "Create", result: "Greater", key, create_revision: 0 };
    case "modified-at":
      return { target: "Mod", result: "Equal", key, mod_revision: asWritten(compare.revision) };
    case "created-at":
      return {
        target: "Create",
        result: "Equal",
        key,
        create_revision: asWritten(compare.revision),
      };
  }
}

/** To etcd a key that is not there was written at revision 0; no record was. */
const asWritten = (revision: number): number => (revision === 0 ? -1 : revision);

function encodeOperation(operation: Operation, keys: EtcdKeys): IRequestOp {
  const key = keys.toKey(operation.key);
  if (operation.kind === "delete") return { request_delete_range: { key } };
  const { value, leaseId } = operation;
  return {
    request_put: {
      key,
      value: Buffer.from(value, "utf8"),
      ...(leaseId !== undefined && { lease: toLeaseId(leaseId) }),
    },
  };
}

/** Deleting what is not there makes no revision, so the mark is left alone too when none of the keys is there. */
const changeUnlessAbsent = (
  operations: readonly Operation[],
  changes: readonly IRequestOp[],
  keys: EtcdKeys,
): ITxnRequest => ({
  compare: operations.map((operation) =>
    encodeCompare({ kind: "absent", key: operation.key }, keys),
  ),
  success: [],
  failure: [...changes],
});
