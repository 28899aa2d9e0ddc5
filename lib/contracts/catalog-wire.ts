import { Type } from "typebox";

/*
 * Between the programs and the embedded catalog process: the `Catalog` port over HTTP/1.1. Every call is a POST of one JSON
 * body with the boot token and answers with one JSON body; `watch` answers with one `WatchEvent` a line, for ever, at least one
 * each second. Failures are problem+json with the member below, so that another program on a reused port is told apart.
 */
const closed = { additionalProperties: false } as const;

export const CATALOG_PATHS = {
  txn: "/internal/catalog/txn",
  range: "/internal/catalog/range",
  watch: "/internal/catalog/watch",
  grantLease: "/internal/catalog/leases:grant",
  renewLease: "/internal/catalog/leases:renew",
  revokeLease: "/internal/catalog/leases:revoke",
  compact: "/internal/catalog/compact",
} as const;

/** Member of every problem that the catalog process itself sends. */
export const CATALOG_PROBLEM_MEMBERS = { program: "catalog" } as const;
/** Twice the largest transaction, which JSON may write with escapes; longer ones are refused unread. */
export const CATALOG_BODY_BYTES_MAX = 8 * 1024 * 1024;

const Key = Type.String();
const RevisionNumber = Type.Integer({ minimum: 0 });
const Incarnation = Type.String({ minLength: 1 });
const LeaseId = Type.String({ minLength: 1, maxLength: 128 });

const CompareBody = Type.Union([
  Type.Object({ kind: Type.Literal("absent"), key: Key }, closed),
  Type.Object({ kind: Type.Literal("present"), key: Key }, closed),
  Type.Object({ kind: Type.Literal("modified-at"), key: Key, revision: RevisionNumber }, closed),
  Type.Object({ kind: Type.Literal("created-at"), key: Key, revision: RevisionNumber }, closed),
]);
const OperationBody = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("put"),
      key: Key,
      value: Type.String(),
      leaseId: Type.Optional(LeaseId),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("delete"), key: Key }, closed),
]);
export const TxnRequest = Type.Object(
  {
    compares: Type.Array(CompareBody),
    operations: Type.Array(OperationBody),
    /** The caller's own name for it: sent again with the same, after a lost answer, it is not made again. */
    operationId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  closed,
);
export const TxnAnswer = Type.Union([
  Type.Object({ kind: Type.Literal("committed"), revision: RevisionNumber }, closed),
  Type.Object({ kind: Type.Literal("conflict"), revision: RevisionNumber, failedKey: Key }, closed),
]);

const RecordBody = Type.Object(
  {
    key: Key,
    value: Type.String(),
    createRevision: RevisionNumber,
    modRevision: RevisionNumber,
    leaseId: Type.Union([LeaseId, Type.Null()]),
  },
  closed,
);
export const RangeRequest = Type.Object(
  {
    prefix: Type.String(),
    atRevision: Type.Optional(RevisionNumber),
    afterKey: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer()),
  },
  closed,
);
export const RangeAnswer = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("page"),
      incarnation: Incarnation,
      revision: RevisionNumber,
      records: Type.Array(RecordBody),
      more: Type.Boolean(),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("compacted"), compactRevision: RevisionNumber }, closed),
]);

export const WatchRequest = Type.Object(
  { prefix: Type.String(), afterRevision: RevisionNumber },
  closed,
);
export const WatchLine = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("revision"),
      incarnation: Incarnation,
      revision: RevisionNumber,
      changes: Type.Array(
        Type.Union([
          Type.Object({ kind: Type.Literal("put"), record: RecordBody }, closed),
          Type.Object({ kind: Type.Literal("delete"), key: Key }, closed),
        ]),
      ),
    },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal("progress"), incarnation: Incarnation, revision: RevisionNumber },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal("compacted"), incarnation: Incarnation, compactRevision: RevisionNumber },
    closed,
  ),
]);

export const GrantLeaseRequest = Type.Object({ ttlMs: Type.Integer() }, closed);
export const GrantLeaseAnswer = Type.Object({ leaseId: LeaseId }, closed);
export const LeaseRequest = Type.Object({ leaseId: LeaseId }, closed);
export const RenewLeaseAnswer = Type.Object(
  { outcome: Type.Union([Type.Literal("renewed"), Type.Literal("gone")]) },
  closed,
);
export const CompactRequest = Type.Object({ revision: RevisionNumber }, closed);
/** Of calls that only succeed or fail. */
export const DoneAnswer = Type.Object({}, closed);
