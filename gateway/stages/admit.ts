import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { HeldBodies } from "../core/held-bodies.ts";
import type { DemandMeter } from "../core/measure-demand.ts";
import type { TenantLimits } from "../core/tenant-limits.ts";
import { problemAnswer } from "../answers.ts";
import type { AdmittedCall, PermittedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";
import { streamOf } from "./stream-body.ts";

export interface AdmitPorts {
  readonly clock: Clock;
  readonly limits: TenantLimits;
  readonly demand: DemandMeter;
  readonly heldBodies: HeldBodies;
}

/** What a call may wait beyond its function's own time limit: for an instance to start, and for retries. */
const QUEUE_ALLOWANCE_MS = 10_000;
const TIMEOUT_MAX_MS = 900_000;

/**
 * Rate, size, concurrency and time, in this order: what is refused early must cost little. A call takes its slot when it can begin,
 * so that bodies which do not come keep none of them.
 */
export function admit(ports: AdmitPorts): Stage<PermittedCall, AdmittedCall> {
  const { clock, limits, demand, heldBodies } = ports;
  return (next) => async (call) => {
    const { tenant } = call.door;
    const stream = streamOf(call);
    demand.count(tenant);
    const limit = timeLimitOf(call);

    const rate = limits.takeRate(tenant, call.limits, clock.nowMs());
    if (rate.kind === "refused") return rateLimited(call, rate.retryAfterMs);
    const turnAway = (): Answer => {
      limits.returnRate(tenant);
      return concurrencyLimited(call);
    };
    // Nobody sends a body for nothing where the slots are taken already.
    if (!limits.hasRoom(tenant, call.limits)) return turnAway();
    const body = stream ?? (await call.arrival.readBody(BODY_BYTES_MAX, heldBodies.of(tenant)));
    if (!limits.enter(tenant, call.limits)) return turnAway();
    void call.arrival.finished.then(() => limits.leave(tenant));
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
