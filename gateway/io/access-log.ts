import { openJsonLog } from "#lib/io/json-log.ts";
import type { RequestRecord } from "../stages/account.ts";

export interface AccessLog {
  readonly write: (record: RequestRecord) => void;
  readonly close: () => void;
}

/** A log line must not cost a system call: lines gather to about this much. */
const BATCH_BYTES = 2_048;
const FLUSH_INTERVAL_MS = 500;

/** One line a request, on standard output beside the events, written in batches. */
export function accessLog(zone: string, level: string): AccessLog {
  const { log, flush, close } = openJsonLog("gateway", zone, level, BATCH_BYTES);
  const flushing = setInterval(flush, FLUSH_INTERVAL_MS);
  flushing.unref();
  return {
    write: ({ receipt, ...request }) => {
      const { tenant, functionName, version, zone: servedBy, clusterId, attempts } = receipt;
      log.info(
        {
          requestId: request.requestId,
          method: request.method,
          door: request.doorKind,
          tenant,
          function: functionName,
          version,
          servedBy,
          cluster: clusterId,
          attempts,
          coldStart: receipt.isColdStart,
          status: request.status,
          ms: Math.round(request.durationMs * 1_000) / 1_000,
          ...(request.isCallerGone ? { callerGone: true } : {}),
        },
        "request",
      );
    },
    close: () => {
      clearInterval(flushing);
      close();
    },
  };
}
