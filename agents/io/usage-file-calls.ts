import type { AgentUsageQuery, AgentUsageRow } from "#lib/contracts/usage.ts";
import type { UsageBatch } from "../core/usage-meter.ts";

/** What the thread that owns the book of usage is asked, by name, and what it answers. */
export interface UsageFileCalls {
  readonly open: {
    readonly ask: UsageBookOptions;
    readonly answer: {
      readonly bookId: string;
      /** Why the book from before was put aside. */
      readonly damage: string | undefined;
    };
  };
  readonly add: {
    readonly ask: { readonly batch: UsageBatch; readonly wallMs: number };
    /** A full disk is no reason to lose the book: what is in it can still be read. */
    readonly answer: Tidied | "no-room";
  };
  readonly read: { readonly ask: AgentUsageQuery; readonly answer: ReadUsage };
  readonly close: { readonly ask: null; readonly answer: null };
}

export interface UsageBookOptions {
  readonly file: string;
  /** On disk; what is oldest gives way long before. */
  readonly bytesMax: number;
  /** Of the process that counts: its batches are numbered from 1. */
  readonly bootId: string;
  readonly wallMs: number;
}

export interface ReadUsage {
  readonly rows: readonly AgentUsageRow[];
  /** Of the batches of this process, the newest that is in the book. */
  readonly sequence: number;
}

export interface Tidied {
  /** Rows that were older than is kept, or that had no room. */
  readonly removedRows: number;
}
