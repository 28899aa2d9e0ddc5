import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { describeTrace } from "../core/describe-trace.ts";
import { endError, timeoutError } from "../core/function-error.ts";
import type { CallEnd } from "../drivers/driver.ts";
import type { CallOutcome, ColdStart, PoolCall } from "./call-outcome.ts";
import type { PoolInstance } from "./pool-instance.ts";
import type { PoolVersion } from "./pool-version.ts";

export interface RunResult {
  readonly outcome: CallOutcome;
  /** The handler is still at it, or its instance is gone: it must take no other call. */
  readonly isAbandoned: boolean;
}

/** Runs the call to its end or to the end of its time, whichever is first. A caller who leaves is told to the handler. */
export async function runOnInstance(
  instance: PoolInstance,
  of: PoolVersion,
  call: PoolCall,
  clock: Clock,
  coldStart: ColdStart | undefined,
): Promise<RunResult> {
  const { manifest, version } = of.version;
  const leftMs = call.deadlineAtMs - clock.nowMs();
  const limitMs = Math.max(0, Math.min(manifest.timeoutMs, leftMs));
  const running = instance.invoke(
    {
      requestId: call.requestId,
      deadlineMs: Math.floor(limitMs),
      tenant: of.tenant,
      functionName: of.functionName,
      functionVersion: String(version),
      memoryMegabytes: manifest.memoryMegabytes,
      ...describeTrace(call.trace),
    },
    call.event,
  );
  call.signal.addEventListener("abort", running.cancel, { once: true });
  const timeUp = Promise.withResolvers<"time-up">();
  const timer = setTimeout(() => timeUp.resolve("time-up"), limitMs);
  const end = await Promise.race([running.outcome, timeUp.promise]);
  clearTimeout(timer);
  call.signal.removeEventListener("abort", running.cancel);
  if (end !== "time-up") {
    const isAbandoned =
      end.kind === "ended" ||
      end.kind === "not-begun" ||
      (end.kind === "error" && end.error.isCrash === true);
    return { outcome: readEnd(call.requestId, end, coldStart), isAbandoned };
  }

  running.cancel();
  const outcome: CallOutcome =
    manifest.timeoutMs <= leftMs
      ? functionError("Unhandled", timeoutError(call.requestId, manifest.timeoutMs), coldStart)
      : { kind: "failed", error: outOfTime(), isExecuted: true };
  return { outcome, isAbandoned: true };
}

function readEnd(requestId: string, end: CallEnd, coldStart: ColdStart | undefined): CallOutcome {
  switch (end.kind) {
    case "result":
      return { kind: "result", json: end.json, coldStart };
    case "error":
      return functionError(end.error.isCrash ? "Unhandled" : "Handled", end.error, coldStart);
    case "not-begun":
      return { kind: "failed", error: instanceGone(), isExecuted: false };
    case "ended":
      return end.end.kind === "lost"
        ? { kind: "failed", error: instanceLost(), isExecuted: true }
        : functionError("Unhandled", endError(requestId, end.end), coldStart);
  }
}

const functionError = (
  errorKind: "Handled" | "Unhandled",
  error: ErrorPayload,
  coldStart: ColdStart | undefined,
): CallOutcome => ({ kind: "function-error", errorKind, error, coldStart });

const outOfTime = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_ANSWER_TIMEOUT",
    "The call's time was up while the function ran; give it more time, or make the function faster.",
  );

const instanceLost = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_INSTANCE_LOST",
    "The cluster lost the instance while it ran the call; whether the function finished is not known.",
  );

const instanceGone = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "The instance was gone before the call reached it; the function was not started. Try again.",
  );
