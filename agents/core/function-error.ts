import type { Runtime } from "#lib/contracts/function-manifest.ts";
import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";

/** How an instance ended. `lost`: the platform took it away, not the function. */
export type InstanceEnd =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "out-of-memory" }
  | { readonly kind: "lost" };

/** Why functions fail, for the metrics: few enough to be told apart on a graph. */
export type FailureReason = "handler" | "timeout" | "out-of-memory" | "exit" | "runtime";

/** What a handler throws may have any name, ours too; only what it did not throw is told by its type. */
export function failureReason(kind: "Handled" | "Unhandled", errorType: string): FailureReason {
  if (kind === "Handled") return "handler";
  switch (errorType) {
    case "Sandbox.Timedout":
    case "Runtime.InitTimeout":
      return "timeout";
    case "Runtime.OutOfMemory":
      return "out-of-memory";
    case "Runtime.ExitError":
      return "exit";
    default:
      return errorType.startsWith("Runtime.") ? "runtime" : "handler";
  }
}

/** What AWS Lambda answers when a handler runs into its time limit. */
export function timeoutError(requestId: string, timeoutMs: number): ErrorPayload {
  return {
    errorType: "Sandbox.Timedout",
    errorMessage: `RequestId: ${requestId} Error: Task timed out after ${(timeoutMs / 1_000).toFixed(2)} seconds`,
  };
}

/** What AWS Lambda answers when the process ends under a call. */
export function endError(requestId: string, end: InstanceEnd): ErrorPayload {
  const prefix = `RequestId: ${requestId} Error: `;
  switch (end.kind) {
    case "out-of-memory":
      return {
        errorType: "Runtime.OutOfMemory",
        errorMessage: `${prefix}Runtime exited with error: out of memory`,
      };
    case "exit":
      return { errorType: "Runtime.ExitError", errorMessage: prefix + exitText(end.code) };
    case "signal":
      return {
        errorType: "Runtime.ExitError",
        errorMessage: `${prefix}Runtime exited with error: signal: ${end.signal}`,
      };
    case "lost":
      return { errorType: "Runtime.Lost", errorMessage: `${prefix}The instance was taken away` };
  }
}

/** What an instance that is starting can come to: its end, or the end of its time; `awaited` says what did not come. */
export type StartEnd = InstanceEnd | { readonly kind: "timeout"; readonly awaited: string };

/** An instance that ended, or stayed silent, before it was ready. `output` is the last it wrote. */
export function initEndError(end: StartEnd, output: string): ErrorPayload {
  const said = output.trim() === "" ? "" : `; it wrote: ${output.trim()}`;
  if (end.kind === "timeout")
    return { errorType: "Runtime.InitTimeout", errorMessage: `Error: ${end.awaited}${said}` };
  if (end.kind === "out-of-memory")
    return {
      errorType: "Runtime.OutOfMemory",
      errorMessage: "Error: out of memory while the function's module loaded",
    };
  const how = end.kind === "exit" ? exitText(end.code) : "Runtime exited with error";
  return { errorType: "Runtime.ExitError", errorMessage: `Error: ${how} during init${said}` };
}

const exitText = (code: number): string =>
  code === 0
    ? "Runtime exited without providing a reason"
    : `Runtime exited with error: exit status ${code}`;

/**
 * AWS Lambda's error object as its runtimes write it: Node's has the stack under `trace`, Python's under `stackTrace` and with the
 * request's id, and those of compiled languages under `stackTrace`.
 */
export function errorObject(
  runtime: Runtime,
  requestId: string,
  { errorMessage, errorType, stackTrace }: ErrorPayload,
): Readonly<Record<string, unknown>> {
  const said = { errorMessage, errorType, ...(runtime === "python" && { requestId }) };
  if (stackTrace === undefined) return said;
  return runtime === "node" ? { ...said, trace: stackTrace } : { ...said, stackTrace };
}
