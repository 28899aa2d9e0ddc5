import type { InstanceCensus } from "./instance-census.ts";
import {
  type IdleGaps,
  likelyReturn,
  type LikelyReturn,
  noIdleGaps,
  partWithin,
  recordGap,
} from "./idle-gaps.ts";
import type { ScalePlan } from "./scale-plan.ts";
import type { RequestSpec } from "./scaling-spec.ts";

export interface RequestState {
  readonly kind: "request";
  readonly gaps: IdleGaps;
  readonly isInUse: boolean;
  /** Since when there is no call; undefined before the first. */
  readonly quietSinceMs: number | undefined;
}

export const initialRequestState: RequestState = {
  kind: "request",
  gaps: noIdleGaps,
  isInUse: false,
  quietSinceMs: undefined,
};

/** Of a version whose past is known, as after a restart: what is quiet then has been so for nobody knows how long. */
export const learntRequestState = (gaps: IdleGaps): RequestState => ({
  ...initialRequestState,
  gaps,
});

/**
 * An instance for each waiting call (or each `concurrency` of them). Idle ones go after `extraIdleMs`; the last one after `lastIdleMs`,
 * unless the function's gaps tell that it will hardly be needed by then, or when it will be.
 */
export function scaleByRequests(
  state: RequestState,
  { calls, waiting, starting }: InstanceCensus,
  spec: RequestSpec,
  nowMs: number,
): ScalePlan<RequestState> {
  const next = stepUse(state, calls > 0, spec, nowMs);
  const last = keepLast(next, spec, nowMs);
  return {
    state: next,
    startForCalls: Math.ceil(waiting / spec.concurrency) - starting,
    hold: last.kind === "hold" ? 1 : 0,
    idleMsOf: (isLast) => {
      if (!isLast) return spec.extraIdleMs;
      return last.kind === "hold" ? undefined : last.idleMs;
    },
    checkAtMs: last.changesAtMs,
  };
}

/** A gap that the ordinary idle time bridges tells nothing of when the last instance is missed. */
function stepUse(
  state: RequestState,
  isInUse: boolean,
  { extraIdleMs }: RequestSpec,
  nowMs: number,
): RequestState {
  const { quietSinceMs, gaps } = state;
  if (isInUse === state.isInUse) return state;
  if (!isInUse) return { ...state, isInUse, quietSinceMs: nowMs };
  const gapMs = quietSinceMs === undefined ? 0 : nowMs - quietSinceMs;
  const isTold = gapMs >= extraIdleMs;
  return { ...state, isInUse, gaps: isTold ? recordGap(gaps, gapMs) : gaps };
}

/** Of a quiet function, whether one instance has to be there, and otherwise how long it may be idle. */
type LastInstance = { readonly changesAtMs: number | undefined } & (
  | { readonly kind: "hold" }
  | { readonly kind: "let-go"; readonly idleMs: number }
);

/** From so many returns in time on, the last instance is worth its time. */
const RETURNS_WORTH = 0.5;

function keepLast(
  { isInUse, quietSinceMs, gaps }: RequestState,
  { extraIdleMs, lastIdleMs }: RequestSpec,
  nowMs: number,
): LastInstance {
  const letGo = (idleMs: number, changesAtMs?: number): LastInstance => ({
    kind: "let-go",
    idleMs,
    changesAtMs,
  });
  if (isInUse || quietSinceMs === undefined) return letGo(lastIdleMs);
  const likely = likelyReturn(gaps);
  if (likely !== undefined && isWorthwhile(likely, extraIdleMs, lastIdleMs)) {
    // Compared as the times they are set for: a difference may round to before its own end.
    const [fromMs, untilMs] = [quietSinceMs + likely.fromMs, quietSinceMs + likely.untilMs];
    if (nowMs < fromMs) return letGo(extraIdleMs, fromMs);
    return nowMs < untilMs ? { kind: "hold", changesAtMs: untilMs } : letGo(0);
  }
  const returns = partWithin(gaps, lastIdleMs);
  return letGo(returns !== undefined && returns < RETURNS_WORTH ? extraIdleMs : lastIdleMs);
}

/** A forecast is followed where it cannot keep the instance for longer than the limit would. */
const isWorthwhile = (
  { fromMs, untilMs }: LikelyReturn,
  extraIdleMs: number,
  lastIdleMs: number,
): boolean => fromMs > extraIdleMs && extraIdleMs + untilMs - fromMs <= lastIdleMs;
