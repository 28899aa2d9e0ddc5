import assert from "node:assert/strict";

/** What an instance is doing. `draining` takes no new call and ends with its last one. */
export type InstanceState =
  | { readonly kind: "starting" }
  | { readonly kind: "idle"; readonly sinceMs: number }
  | { readonly kind: "busy"; readonly calls: number }
  | { readonly kind: "draining"; readonly calls: number }
  | { readonly kind: "gone" };

export type InstanceEvent = "ready" | "call-started" | "call-ended" | "retired" | "exited";

/** The next state. A call given to an instance that takes none is a broken assumption; whatever comes after the end is late. */
export function stepInstance(
  state: InstanceState,
  event: InstanceEvent,
  nowMs: number,
  concurrency: number,
): InstanceState {
  if (state.kind === "gone" || event === "exited") return { kind: "gone" };
  switch (event) {
    case "ready":
      return state.kind === "starting" ? { kind: "idle", sinceMs: nowMs } : state;
    case "call-started":
      assert(hasSpareSlot(state, concurrency), `a call was given to a ${state.kind} instance`);
      return { kind: "busy", calls: callsOf(state) + 1 };
    case "call-ended":
      return afterCall(state, nowMs);
    case "retired":
      return { kind: "draining", calls: callsOf(state) };
  }
}

/** Whether it can take a call now. */
export function hasSpareSlot(state: InstanceState, concurrency: number): boolean {
  return state.kind === "idle" || (state.kind === "busy" && state.calls < concurrency);
}

/** Whether nothing holds it any more and its process should end. */
export function isSpent(state: InstanceState): boolean {
  return state.kind === "draining" && state.calls === 0;
}

export function callsOf(state: InstanceState): number {
  return state.kind === "busy" || state.kind === "draining" ? state.calls : 0;
}

function afterCall(state: InstanceState, nowMs: number): InstanceState {
  const calls = callsOf(state) - 1;
  assert(calls >= 0, `a call ended on a ${state.kind} instance that ran none`);
  if (state.kind === "draining") return { kind: "draining", calls };
  return calls === 0 ? { kind: "idle", sinceMs: nowMs } : { kind: "busy", calls };
}
