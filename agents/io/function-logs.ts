import { createReadStream } from "node:fs";
import { appendFile, mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Logger } from "pino";
import type { LogLine } from "#lib/contracts/api.ts";

const FLUSH_MS = 100;
/** What instances print faster than the disk takes it is dropped beyond this. */
const UNWRITTEN_BYTES_MAX = 4 * 1_048_576;
const TEXT_CHARACTERS_MAX = 16_384;

export interface FunctionLogLine extends LogLine {
  readonly tenant: string;
  readonly functionName: string;
}

export interface LogQuery {
  readonly tenant: string;
  readonly functionName: string;
  readonly requestId: string | undefined;
  readonly sinceMs: number;
  /** The newest so many. */
  readonly limit: number;
}

export interface FunctionLogs {
  /** Splits the text into lines; an empty last one is left out. */
  readonly write: (line: FunctionLogLine) => void;
  readonly read: (query: LogQuery) => Promise<readonly LogLine[]>;
  readonly close: () => Promise<void>;
}

export interface FunctionLogLimits {
  /** On disk, both files together. */
  readonly functionLogBytesMax: number;
  readonly functionLogAgeMaxMs: number;
}

/** What functions print, on disk in two files: when the newer is full or old enough it takes the place of the older one. */
export async function openFunctionLogs(
  folder: string,
  limits: FunctionLogLimits,
  log: Logger,
): Promise<FunctionLogs> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const newer = join(folder, "newer.jsonl");
  const older = join(folder, "older.jsonl");
  const found = await stat(newer).catch(() => undefined);
  let newerBytes = found?.size ?? 0;
  let newerSinceMs = found?.birthtimeMs ?? Date.now();
  let unwritten: string[] = [];
  let unwrittenBytes = 0;
  let droppedLines = 0;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();

  const writeOut = async (): Promise<void> => {
    const text = unwritten.join("");
    unwritten = [];
    unwrittenBytes = 0;
    if (text === "") return;
    if (droppedLines > 0) log.warn({ droppedLines }, "functions print faster than the disk writes");
    droppedLines = 0;
    const isOld = Date.now() - newerSinceMs > limits.functionLogAgeMaxMs / 2;
    if (newerBytes > 0 && (isOld || newerBytes + text.length > limits.functionLogBytesMax / 2)) {
      await rename(newer, older);
      newerBytes = 0;
      newerSinceMs = Date.now();
    }
    await appendFile(newer, text, { mode: 0o600 });
    newerBytes += Buffer.byteLength(text);
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    flushing = flushing
      .then(writeOut)
      .catch((error: unknown) => log.error({ err: error }, "log lines of functions are lost"));
    return flushing;
  };
  const add = (line: FunctionLogLine): void => {
    if (unwrittenBytes > UNWRITTEN_BYTES_MAX) {
      droppedLines += 1;
      return;
    }
    const text = `${JSON.stringify({ ...line, text: line.text.slice(0, TEXT_CHARACTERS_MAX) })}\n`;
    unwritten.push(text);
    unwrittenBytes += text.length;
    timer ??= setTimeout(() => void flush(), FLUSH_MS);
  };

  return {
    write: (line) => {
      const lines = line.text.split("\n");
      if (lines.at(-1) === "") lines.pop();
      for (const text of lines) add({ ...line, text });
    },
    read: async (query) => {
      await flush();
      const found: LogLine[] = [];
      for (const path of [older, newer])
        for await (const line of matching(path, query)) {
          found.push(line);
          // Only the newest are wanted; this keeps what is held small.
          if (found.length > query.limit * 2) found.splice(0, found.length - query.limit);
        }
      return found.slice(-query.limit);
    },
    close: flush,
  };
}

async function* matching(path: string, query: LogQuery): AsyncGenerator<LogLine> {
  if ((await stat(path).catch(() => undefined)) === undefined) return;
  // Most lines are somebody else's: a look for the words is cheaper than reading JSON.
  const needles = [`"tenant":"${query.tenant}"`, `"functionName":"${query.functionName}"`];
  if (query.requestId !== undefined) needles.push(`"requestId":${JSON.stringify(query.requestId)}`);
  for await (const text of createInterface({ input: createReadStream(path) })) {
    if (!needles.every((needle) => text.includes(needle))) continue;
    const line = parseLine(text);
    if (line === undefined || line.atMs < query.sinceMs) continue;
    const { tenant, functionName, ...rest } = line;
    if (tenant !== query.tenant || functionName !== query.functionName) continue;
    if (query.requestId === undefined || rest.requestId === query.requestId) yield rest;
  }
}

/** A line cut off by a crash is none. */
function parseLine(text: string): FunctionLogLine | undefined {
  try {
    return JSON.parse(text) as FunctionLogLine;
  } catch {
    return undefined;
  }
}
