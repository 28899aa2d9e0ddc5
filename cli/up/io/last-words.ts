import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const TAIL_BYTES = 16 * 1024;
const LEVEL_ERROR = 50;

/** Why a program ended, as far as the end of its log tells; empty when it does not. */
export function lastWords(logFile: string): string {
  const lines = readTail(logFile)
    .split("\n")
    .filter((line) => line.trim() !== "");
  const failure = lines.map(asFailure).findLast((words) => words !== undefined);
  if (failure !== undefined) return failure;
  return lines.findLast((line) => /error/i.test(line) && !line.startsWith("{"))?.trim() ?? "";
}

/** An error line of a program's own log. */
function asFailure(line: string): string | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null) return undefined;
    const { level, msg, err } = entry as { level?: unknown; msg?: unknown; err?: unknown };
    if (typeof level !== "number" || level < LEVEL_ERROR) return undefined;
    const cause = typeof err === "object" && err !== null && "message" in err ? err.message : "";
    return [msg, cause].filter((part) => typeof part === "string" && part !== "").join(": ");
  } catch {
    return undefined;
  }
}

function readTail(file: string): string {
  try {
    const handle = openSync(file, "r");
    try {
      const { size } = fstatSync(handle);
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(handle, bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString("utf8");
    } finally {
      closeSync(handle);
    }
  } catch {
    return "";
  }
}
