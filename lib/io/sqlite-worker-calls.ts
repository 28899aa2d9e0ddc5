import type {
  CatalogWrite,
  HistoryPosition,
  Lease,
  PageResult,
  RevisionsResult,
  WriteOutcome,
} from "#lib/catalog/history.ts";
import type { ErrorCode } from "#lib/errors.ts";
import type { RangeQuery } from "#lib/ports/catalog.ts";

/** What the SQLite thread does for the process, by name: what it is asked and what it answers. */
export interface WorkerCalls {
  readonly open: {
    readonly ask: { readonly databaseFile: string; readonly databaseBytesMax: number };
    readonly answer: { readonly position: HistoryPosition; readonly leases: readonly Lease[] };
  };
  readonly commit: {
    readonly ask: readonly CatalogWrite[];
    readonly answer: readonly WriteOutcome[];
  };
  readonly page: { readonly ask: RangeQuery; readonly answer: PageResult };
  readonly revisionsAfter: { readonly ask: number; readonly answer: RevisionsResult };
  readonly status: { readonly ask: null; readonly answer: StoreStatus };
  readonly close: { readonly ask: null; readonly answer: null };
}

export interface StoreStatus extends HistoryPosition {
  readonly databaseBytes: number;
}

export type CallName = keyof WorkerCalls;

export interface WorkerRequest<Name extends CallName = CallName> {
  readonly callId: number;
  readonly name: Name;
  readonly ask: WorkerCalls[Name]["ask"];
}

/** A failure that is not in the table ends the thread instead. */
export type WorkerReply =
  | { readonly callId: number; readonly kind: "answer"; readonly answer: unknown }
  | {
      readonly callId: number;
      readonly kind: "failure";
      readonly code: ErrorCode;
      readonly detail: string;
    };
