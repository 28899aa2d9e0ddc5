/** One call to a register that holds a text or nothing. Times are of one clock. */
export interface RegisterCall {
  readonly calledAtMs: number;
  /** Infinity where the outcome was never told. */
  readonly returnedAtMs: number;
  readonly action:
    | { readonly kind: "read"; readonly value: string | null }
    /** Compared equal and written. */
    | { readonly kind: "swapped"; readonly from: string | null; readonly to: string }
    /** Compared unequal; nothing was written. */
    | { readonly kind: "conflict"; readonly from: string | null }
    /** May have swapped at any time from its call on, or never. */
    | { readonly kind: "unknown"; readonly from: string | null; readonly to: string };
}

/**
 * Whether every call can be given one moment between its call and its return, so that the register explains all answers. A search
 * after Wing and Gong with Lowe's memory of states already seen to fail (https://doi.org/10.1002/cpe.3928).
 */
export function isLinearizable(calls: readonly RegisterCall[]): boolean {
  const inOrder = calls.toSorted((a, b) => a.calledAtMs - b.calledAtMs);
  const failed = new Set<string>();

  /** `done` has a bit for each call that has had its moment. */
  const canFinish = (done: bigint, value: string | null): boolean => {
    const memory = `${done.toString(36)} ${JSON.stringify(value)}`;
    if (failed.has(memory)) return false;
    let firstReturnMs = Number.POSITIVE_INFINITY;
    let isFinished = true;
    inOrder.forEach(({ returnedAtMs, action }, index) => {
      if (hasBit(done, index) || action.kind === "unknown") return;
      isFinished = false;
      firstReturnMs = Math.min(firstReturnMs, returnedAtMs);
    });
    if (isFinished) return true;
    for (const [index, { calledAtMs, action }] of inOrder.entries()) {
      // Nothing may come before a call that had already returned.
      if (calledAtMs > firstReturnMs) break;
      if (hasBit(done, index)) continue;
      const after = valueAfter(action, value);
      if (after !== undefined && canFinish(done | (1n << BigInt(index)), after)) return true;
    }
    failed.add(memory);
    return false;
  };
  return canFinish(0n, null);
}

const hasBit = (bits: bigint, index: number): boolean => ((bits >> BigInt(index)) & 1n) === 1n;

/** Undefined where the action cannot happen to that value. */
function valueAfter(
  action: RegisterCall["action"],
  value: string | null,
): string | null | undefined {
  switch (action.kind) {
    case "read":
      return action.value === value ? value : undefined;
    case "conflict":
      return action.from === value ? undefined : value;
    case "swapped":
    case "unknown":
      return action.from === value ? action.to : undefined;
  }
}
