import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { describeTrace } from "../core/describe-trace.ts";
import { endError, timeoutError } from "../core/function-error.ts";
import type { BreakOff, CallEnd, InstanceCall, StreamingAnswer } from "../drivers/driver.ts";
import type { CallFailure, CallOutcome, ColdStart, PoolCall, StreamOver } from "./call-outcome.ts";
import type { PoolInstance } from "./pool-instance.ts";
import type { PoolVersion } from "./pool-version.ts";

export interface RunResult {
  readonly outcome: CallOutcome;
  /** The handler is still at it, or its instance is gone: it must take no other call. Of a streamed answer once that is over. */
  readonly isAbandoned: boolean | Promise<boolean>;
}

/** Runs the call to its end or to the end of its time, whichever is first. A caller who leaves is told to the handler. */
export async function runOnInstance(
  invoke: PoolInstance["invoke"],
  of: PoolVersion,
  call: PoolCall,
  clock: Clock,
  coldStart: ColdStart | undefined,
): Promise<RunResult> {
  const { manifest, version } = of.version;
  const leftMs = call.deadlineAtMs - clock.nowMs();
  const limitMs = Math.max(0, Math.min(manifest.timeoutMs, leftMs));
  const running = invoke(
    {
      requestId: call.requestId,
      deadlineMs: Math.floor(limitMs),
      tenant: of.tenant,
      functionName: of.functionName,
      functionVersion: String(version),
      memoryMegabytes: manifest.memoryMegabytes,
      ...describeTrace(call.trace),
    },
    call.input,
  );
  const watch = watchCall(call.signal, running, limitMs);
  const timeIsUp = (): { failure: CallFailure; isAbandoned: boolean } => ({
    failure:
      manifest.timeoutMs <= leftMs
        ? functionError("Unhandled", timeoutError(call.requestId, manifest.timeoutMs), coldStart)
        : { kind: "failed", error: outOfTime(), isExecuted: true },
    isAbandoned: !running.abandon(),
  });

  const end = await Promise.race([running.outcome, watch.timeUp]);
  if (end !== "time-up" && end.kind === "stream") {
    const followed = followStream(end.answer, call.requestId, watch, timeIsUp, coldStart);
    const over = followed.then(({ end }) => end);
    return {
      outcome: { kind: "streamed", answer: end.answer, over, coldStart },
      isAbandoned: followed.then(({ isAbandoned }) => isAbandoned),
    };
  }
  watch.stop();
  if (end === "time-up") {
    const { failure, isAbandoned } = timeIsUp();
    return { outcome: failure, isAbandoned };
  }
  return { outcome: readEnd(call.requestId, end, coldStart), isAbandoned: spoils(end) };
}

type Watch = ReturnType<typeof watchCall>;

/** Its time, and its caller, from the start to the end of the call. */
function watchCall(signal: AbortSignal, running: InstanceCall, limitMs: number) {
  const { promise, resolve } = Promise.withResolvers<"time-up">();
  const timer = setTimeout(() => resolve("time-up"), limitMs);
  signal.addEventListener("abort", running.cancel, { once: true });
  return {
    timeUp: promise,
    stop: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", running.cancel);
    },
  };
}

/** The time limit holds for the whole of an answer, and what is late breaks off. */
async function followStream(
  { body, over }: StreamingAnswer,
  requestId: string,
  watch: Watch,
  timeIsUp: () => { failure: CallFailure; isAbandoned: boolean },
  coldStart: ColdStart | undefined,
): Promise<{ end: StreamOver; isAbandoned: boolean }> {
  const end = await Promise.race([over, watch.timeUp]);
  watch.stop();
  if (end === "time-up") {
    const { failure, isAbandoned } = timeIsUp();
    body.destroy(new Error("the call's time was up"));
    return { end: failure, isAbandoned };
  }
  const isBroken = end.kind === "error" || end.kind === "ended";
  return {
    end: isBroken ? readBreakOff(requestId, end, coldStart) : end,
    isAbandoned: isBroken && spoils(end),
  };
}

/** Whether the instance is unfit for another call. */
const spoils = (end: CallEnd): boolean =>
  end.kind === "ended" ||
  end.kind === "not-begun" ||
  (end.kind === "error" && end.error.isCrash === true);

type WholeEnd = Exclude<CallEnd, { kind: "stream" }>;

function readEnd(requestId: string, end: WholeEnd, coldStart: ColdStart | undefined): CallOutcome {
  switch (end.kind) {
    case "result":
      return { kind: "result", json: end.json, coldStart };
    case "answer":
      return { kind: "answer", head: end.head, body: end.body, coldStart };
    case "left":
      return { kind: "failed", error: callerLeft(), isExecuted: true };
    case "not-begun":
      return { kind: "failed", error: instanceGone(), isExecuted: false };
    case "error":
    case "ended":
      return readBreakOff(requestId, end, coldStart);
  }
}

function readBreakOff(
  requestId: string,
  end: BreakOff,
  coldStart: ColdStart | undefined,
): CallFailure {
  if (end.kind === "error")
    return functionError(end.error.isCrash ? "Unhandled" : "Handled", end.error, coldStart);
  return end.end.kind === "lost"
    ? { kind: "failed", error: instanceLost(), isExecuted: true }
    : functionError("Unhandled", endError(requestId, end.end), coldStart);
}

/** As if it had been told as a whole; a caller who leaves takes nothing from what the function did. */
export const endOfStream = (over: StreamOver, coldStart: ColdStart | undefined): CallOutcome =>
  over.kind === "whole" || over.kind === "left"
    ? { kind: "result", json: Buffer.alloc(0), coldStart }
    : over;

const functionError = (
  errorKind: "Handled" | "Unhandled",
  error: ErrorPayload,
  coldStart: ColdStart | undefined,
): CallFailure => ({ kind: "function-error", errorKind, error, coldStart });

const outOfTime = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_ANSWER_TIMEOUT",
    "The call's time was up while the function ran; give it more time, or make the function faster.",
  );

const callerLeft = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_CONNECTION_LOST",
    "The caller left before the function answered; what it had done by then is not known.",
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
