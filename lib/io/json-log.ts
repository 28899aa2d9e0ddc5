import { type Logger, pino } from "pino";

/** JSON lines on standard output, one object an event; `up` writes them to `DIR/logs/`. */
export function jsonLog(program: string, zone: string | null, level: string): Logger {
  return pino({
    level,
    base: { program, zone, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ["apiKey", "*.apiKey", "authorization", "*.authorization"],
      censor: "[redacted]",
    },
  });
}
