import { destination, type Logger, pino } from "pino";
import type { RequestRecord } from "../stages/account.ts";

export interface AccessLog {
  readonly write: (record: RequestRecord) => void;
  readonly close: () => void;
}

/** Lines gather to about this much before they are written, within what a pipe takes in one piece. */
const BATCH_BYTES = 2_048;
const WRITE_BYTES_MAX = 4_096;
const FLUSH_INTERVAL_MS = 500;

/** One line a request, on standard output beside the events, written in batches: a log line must not cost a system call. */
export function accessLog(zone: string, level: string): AccessLog {
  const output = destination({
    dest: 1,
    sync: false,
    minLength: BATCH_BYTES,
    maxWrite: WRITE_BYTES_MAX,
    periodicFlush: FLUSH_INTERVAL_MS,
  });
  const log: Logger = pino(
    {
      level,
      base: { program: "gateway", zone, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    output,
  );
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
    close: () => output.flushSync(),
  };
}
