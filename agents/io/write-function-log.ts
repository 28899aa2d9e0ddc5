import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { InstanceLog } from "../drivers/driver.ts";
import type { FunctionLogs } from "./function-logs.ts";
import type { PoolVersion } from "./pool-version.ts";

export interface FunctionLogWriter {
  readonly line: (of: PoolVersion, instance: string, line: InstanceLog) => void;
  /** The owner finds a failure where everything else of the call is. */
  readonly failure: (of: PoolVersion, requestId: string, error: ErrorPayload) => void;
}

/** What instances say, as lines of their function's log. */
export function functionLogWriter(
  logs: FunctionLogs,
  zone: string,
  clock: Clock,
): FunctionLogWriter {
  const write: FunctionLogWriter["line"] = (of, instance, { requestId, text }) =>
    logs.write({
      tenant: of.tenant,
      functionName: of.functionName,
      version: of.version.version,
      zone,
      instance,
      requestId: requestId ?? null,
      atMs: clock.wallMs(),
      text,
    });
  return {
    line: write,
    failure: (of, requestId, { errorType, errorMessage, stackTrace }) => {
      const headline = `${errorType}: ${errorMessage}`;
      // Node begins its trace with the headline, Python ends with it.
      const stack = (stackTrace ?? []).filter((line) => line !== headline);
      const text = [`ERROR ${headline}`, ...stack].join("\n");
      write(of, "agent", { requestId, text });
    },
  };
}
