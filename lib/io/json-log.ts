import { type Logger, type LoggerOptions, pino } from "pino";
import { logOutput } from "./log-output.ts";

const STANDARD_OUTPUT = 1;
const SECRET_PATHS = ["apiKey", "*.apiKey", "authorization", "*.authorization"];

/** JSON lines on standard output, one object an event; `up` writes them to `DIR/logs/`. */
export function jsonLog(program: string, zone: string | null, level: string): Logger {
  const redact = { paths: SECRET_PATHS, censor: "[redacted]" };
  return openLog(program, zone, { level, redact }, 0).log;
}

export interface JsonLog {
  readonly log: Logger;
  /** An event of the level `info` whose members are JSON already, each as `,"name":value`; at a tenth of the logger's cost. */
  readonly writeLine: (members: string, message: string) => void;
  /** Writes what has gathered. */
  readonly flush: () => void;
  /** Writes what has gathered, before it returns; the end of the process does so by itself. */
  readonly close: () => void;
}

/**
 * A log whose lines gather to `batchBytes` before they are written. For lines of known members alone: nothing is looked for in them
 * that must not be written, which would cost more than the line.
 */
export const openLineLog = (
  program: string,
  zone: string | null,
  level: string,
  batchBytes: number,
): JsonLog => openLog(program, zone, { level }, batchBytes);

/** Whatever happens to the output, the program goes on. */
function openLog(
  program: string,
  zone: string | null,
  options: Pick<LoggerOptions, "level" | "redact">,
  batchBytes: number,
): JsonLog {
  const output = logOutput({
    fd: STANDARD_OUTPUT,
    batchBytes,
    onLost: (lines) =>
      log.warn(
        { lines },
        `${lines === 1 ? "1 line of this log was" : `${lines} lines of this log were`} lost: it could not be written to`,
      ),
  });
  const log: Logger = pino(
    {
      ...options,
      base: { program, zone, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    output,
  );
  process.once("exit", output.flushSync);
  const base = JSON.stringify({ program, zone, pid: process.pid }).slice(1, -1);
  const { info } = log.levels.values;
  return {
    log,
    writeLine: (members, message) => {
      if (!log.isLevelEnabled("info")) return;
      const time = new Date().toISOString();
      output.write(`{"level":${info},"time":"${time}",${base}${members},"msg":"${message}"}\n`);
    },
    flush: output.flush,
    close: () => {
      process.off("exit", output.flushSync);
      output.flushSync();
    },
  };
}
