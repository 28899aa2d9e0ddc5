import type { CallOutcome } from "./judge-outcome.ts";
import type { CallTimes, AttemptNote } from "./stage-times.ts";
import type { TraceContext } from "./trace-context.ts";

/*
 * Calls as spans of the OpenTelemetry protocol, in its JSON form (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding):
 * one for the call, and one below it for each attempt.
 */

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  /** 2: of a server; 3: of a client. */
  readonly kind: 2 | 3;
  /** 64 bits, which JSON has no number for. */
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  /** 2: an error. */
  readonly status?: { readonly code: 2; readonly message?: string };
}

export interface OtlpAttribute {
  readonly key: string;
  readonly value:
    | { readonly stringValue: string }
    | { readonly intValue: string }
    | { readonly boolValue: boolean };
}

type AttributeValues = Readonly<Record<string, string | number | boolean | undefined>>;

export interface TracedCall extends CallTimes {
  readonly trace: TraceContext;
  readonly name: string;
  readonly outcome: CallOutcome;
  readonly errorCode: string | undefined;
  /** Undefined ones are left out. */
  readonly attributes: AttributeValues;
}

const ERRORS: readonly CallOutcome[] = ["function-error", "platform-error"];

/** `epochOfClockMs` is where the monotonic clock began, in milliseconds since 1970. */
export function describeSpans(
  call: TracedCall,
  epochOfClockMs: number,
  freshSpanId: () => string,
): readonly OtlpSpan[] {
  const { traceId, spanId, parentId, traceState } = call.trace;
  const at = (clockMs: number): string =>
    String(BigInt(Math.round((epochOfClockMs + clockMs) * 1_000)) * 1_000n);
  const whole: OtlpSpan = {
    traceId,
    spanId,
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    ...(traceState === "" ? {} : { traceState }),
    name: call.name,
    kind: 2,
    startTimeUnixNano: at(call.receivedAtMs),
    endTimeUnixNano: at(call.finishedAtMs),
    attributes: attributesOf({ ...call.attributes, "meridian.outcome": call.outcome }),
    ...(ERRORS.includes(call.outcome) && { status: errorStatus(call.errorCode) }),
  };
  const attempts = call.attemptNotes.map((note): OtlpSpan => ({
    traceId,
    spanId: freshSpanId(),
    parentSpanId: spanId,
    name: `attempt at ${note.clusterId}`,
    kind: 3,
    startTimeUnixNano: at(note.beganAtMs),
    endTimeUnixNano: at(note.endedAtMs ?? call.finishedAtMs),
    attributes: attributesOf(describeAttempt(note)),
    ...(note.failure !== undefined && { status: errorStatus(note.reason ?? note.failure) }),
  }));
  return [whole, ...attempts];
}

const describeAttempt = ({ clusterId, failure, timing }: AttemptNote): AttributeValues => ({
  "meridian.cluster": clusterId,
  "meridian.failure": failure,
  "meridian.timing": timing,
});

const errorStatus = (message: string | undefined): OtlpSpan["status"] & object => ({
  code: 2,
  ...(message === undefined ? {} : { message }),
});

/** Whole numbers alone: nothing else is told. */
export function attributesOf(values: AttributeValues): readonly OtlpAttribute[] {
  return Object.entries(values).flatMap(([key, value]): readonly OtlpAttribute[] => {
    if (value === undefined) return [];
    if (typeof value === "string") return [{ key, value: { stringValue: value } }];
    if (typeof value === "number") return [{ key, value: { intValue: String(value) } }];
    return [{ key, value: { boolValue: value } }];
  });
}
