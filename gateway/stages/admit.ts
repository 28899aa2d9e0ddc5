import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { DemandMeter } from "../core/measure-demand.ts";
import type { TenantLimits } from "../core/tenant-limits.ts";
import { problemAnswer } from "../answers.ts";
import type { AdmittedCall, PermittedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";

export interface AdmitPorts {
  readonly clock: Clock;
  readonly limits: TenantLimits;
  readonly demand: DemandMeter;
}

/** What a call may wait beyond its function's own time limit: for an instance to start, and for retries. */
const QUEUE_ALLOWANCE_MS = 10_000;
const TIMEOUT_MAX_MS = 900_000;

/** Rate, concurrency, size and time, in this order: what is refused early must cost little. */
export function admit({ clock, limits, demand }: AdmitPorts): Stage<PermittedCall, AdmittedCall> {
  return (next) => async (call) => {
    const { tenant } = call.door;
    demand.count(tenant);
    const limit = timeLimitOf(call);

    const rate = limits.takeRate(tenant, call.limits, clock.nowMs());
    if (rate.kind === "refused") return rateLimited(call, rate.retryAfterMs);
    if (!limits.enter(tenant, call.limits)) {
      limits.returnRate(tenant);
      return concurrencyLimited(call);
    }
    void call.arrival.finished.then(() => limits.leave(tenant));

    const body = await call.arrival.readBody(BODY_BYTES_MAX);
    const fromMs = limit.countsFrom === "arrival" ? call.arrival.receivedAtMs : clock.nowMs();
    return next({ ...call, body, deadlineAtMs: fromMs + limit.limitMs, deadlineIs: limit.is });
  };
}

interface TimeLimit {
  readonly limitMs: number;
  /** What a caller asks for it counts itself; a function's time is not used up by a slow upload. */
  readonly countsFrom: "arrival" | "whole-body";
  /** In words. */
  readonly is: string;
}

function timeLimitOf({ arrival, version }: PermittedCall): TimeLimit {
  const asked = arrival.headers["meridian-timeout-ms"];
  if (asked === undefined) {
    const { timeoutMs } = version.manifest;
    return {
      limitMs: timeoutMs + QUEUE_ALLOWANCE_MS,
      countsFrom: "whole-body",
      is: `the function's ${timeoutMs} ms and ${QUEUE_ALLOWANCE_MS} ms to wait for an instance`,
    };
  }
  const timeoutMs = typeof asked === "string" && /^\d{1,7}$/.test(asked) ? Number(asked) : 0;
  if (timeoutMs < 1 || timeoutMs > TIMEOUT_MAX_MS)
    throw new MeridianError(
      "MERIDIAN_BAD_REQUEST",
      `Meridian-Timeout-Ms must be a whole number from 1 to ${TIMEOUT_MAX_MS}.`,
    );
  return {
    limitMs: timeoutMs,
    countsFrom: "arrival",
    is: `the caller's Meridian-Timeout-Ms of ${timeoutMs} ms`,
  };
}

interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
  /** AWS Lambda's word for it. */
  readonly reason: string;
  readonly retryAfterMs: number;
  /** The parameters of the `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10). */
  readonly policy: string;
  readonly parameters: string;
}

function rateLimited(call: PermittedCall, retryAfterMs: number): Answer {
  const perSecond = call.limits["requests-per-second"];
  call.receipt.limitedBy = "rate";
  return refuse(call, {
    code: "MERIDIAN_RATE_LIMITED",
    detail: `The tenant ${call.door.tenant} has used up its ${perSecond} requests per second; try again later or request more with \`meridian quota request rate\`.`,
    reason: "FunctionInvocationRateLimitExceeded",
    retryAfterMs,
    policy: "requests-per-second",
    parameters: `q=${perSecond};w=1`,
  });
}

function concurrencyLimited(call: PermittedCall): Answer {
  const { concurrency } = call.limits;
  call.receipt.limitedBy = "concurrency";
  return refuse(call, {
    code: "MERIDIAN_CONCURRENCY_LIMITED",
    detail: `The tenant ${call.door.tenant} has ${concurrency} calls running in this zone, as many as it may; wait for one to end or request more concurrency.`,
    reason: "ConcurrentInvocationLimitExceeded",
    retryAfterMs: 1_000,
    policy: "concurrency",
    parameters: `q=${concurrency};qu="concurrent-requests"`,
  });
}

function refuse(call: PermittedCall, refusal: Refusal): Answer {
  const { policy, parameters, reason } = refusal;
  // A share of nothing never fills; callers ask again at the pace at which shares move.
  const afterMs = Number.isFinite(refusal.retryAfterMs) ? refusal.retryAfterMs : 1_000;
  const seconds = Math.max(1, Math.ceil(afterMs / 1_000));
  return problemAnswer(
    new MeridianError(refusal.code, refusal.detail, {
      members: { reason, "violated-policies": [policy] },
    }),
    call.requestId,
    {
      "retry-after": String(seconds),
      "ratelimit-policy": `"${policy}";${parameters}`,
      ratelimit: `"${policy}";r=0;t=${seconds}`,
    },
  );
}
