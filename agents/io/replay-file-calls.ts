import type { KeptCall } from "../core/decide-replay.ts";
import type { FunctionAnswer } from "../core/read-answer.ts";
import type { ReplayKey } from "../core/replay-key.ts";
import type { ThreadRequest } from "./file-thread.ts";
import type { ReplayLimits } from "./replay-store.ts";

/** What the thread that owns the file of keys is asked, by name, and what it answers. */
export interface ReplayFileCalls {
  readonly open: {
    readonly ask: { readonly file: string; readonly limits: ReplayLimits };
    /** Why the file from before was put aside. */
    readonly answer: { readonly damage: string | undefined };
  };
  readonly find: {
    readonly ask: { readonly id: string; readonly nowMs: number };
    readonly answer: KeptCall | undefined;
  };
  readonly start: {
    readonly ask: { readonly key: ReplayKey; readonly nowMs: number };
    readonly answer: boolean;
  };
  readonly finish: {
    readonly ask: { readonly id: string; readonly answer: FunctionAnswer | undefined };
    readonly answer: boolean;
  };
  readonly forget: { readonly ask: string; readonly answer: null };
  readonly close: { readonly ask: null; readonly answer: null };
}

export type ReplayFileCall = keyof ReplayFileCalls;

export type ReplayFileRequest<Name extends ReplayFileCall = ReplayFileCall> = ThreadRequest<
  ReplayFileCalls,
  Name
>;

/** What came from another thread is bytes, and no Buffer any more. */
export const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
