import type { FunctionAnswer } from "./read-answer.ts";

/** A key's call as the store has it; `outcome-unknown`: it was started, and how it ended was lost with the agent. */
export type KeptCall = { readonly fingerprint: string } & (
  | { readonly state: "answered"; readonly answer: FunctionAnswer }
  | { readonly state: "answer-not-kept" | "outcome-unknown" }
);

export type KnownCall = KeptCall | { readonly state: "running"; readonly fingerprint: string };

export interface AskedCall {
  readonly fingerprint: string;
  /** Whether its function permits a second start where the first cannot be ruled out. */
  readonly isIdempotent: boolean;
}

export type ReplayRefusal = "other-request" | "answer-not-kept" | "outcome-unknown";

export type ReplayDecision =
  | { readonly kind: "run" }
  /** Wait for the answer of the one that runs. */
  | { readonly kind: "join" }
  | { readonly kind: "replay"; readonly answer: FunctionAnswer }
  | { readonly kind: "refuse"; readonly reason: ReplayRefusal };

/** A call that may have run is never started a second time under the same key, unless its function permits that. */
export function decideReplay(known: KnownCall | undefined, asked: AskedCall): ReplayDecision {
  if (known === undefined) return { kind: "run" };
  if (known.fingerprint !== asked.fingerprint) return { kind: "refuse", reason: "other-request" };
  switch (known.state) {
    case "running":
      return { kind: "join" };
    case "answered":
      return { kind: "replay", answer: known.answer };
    case "answer-not-kept":
    case "outcome-unknown":
      return asked.isIdempotent ? { kind: "run" } : { kind: "refuse", reason: known.state };
  }
}

/** How a call ended: with the function's word, without it after a start, or provably before a start. */
export type CallEnding = "told" | "unknown" | "not-executed";

/** Whether the answer stands for all calls with the key; else the next of them runs. */
export function keepsAnswer(ending: CallEnding, isIdempotent: boolean): boolean {
  return ending === "told" || (ending === "unknown" && !isIdempotent);
}
