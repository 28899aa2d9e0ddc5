import type { InvokeHeader } from "#lib/contracts/instance-frames.ts";
import type { CallTrace } from "./read-call.ts";

/**
 * The trace as handlers and their libraries look for it. X-Ray writes the same ids as `Root=1-8 digits-24 digits`
 * (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids).
 */
export function describeTrace(
  trace: CallTrace | undefined,
): Pick<InvokeHeader, "traceparent" | "tracestate" | "xrayTraceId"> {
  if (trace === undefined) return {};
  const { traceparent, tracestate } = trace;
  const [, traceId = "", parentId = "", flags = ""] = traceparent.split("-");
  const isSampled = Number.parseInt(flags, 16) % 2 === 1;
  const xrayTraceId = `Root=1-${traceId.slice(0, 8)}-${traceId.slice(8)};Parent=${parentId};Sampled=${isSampled ? "1" : "0"}`;
  return { traceparent, ...(tracestate === "" ? {} : { tracestate }), xrayTraceId };
}
