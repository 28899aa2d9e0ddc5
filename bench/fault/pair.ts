import { readFile } from "node:fs/promises";
import { parseJson } from "#lib/frames.ts";

/** A proxy in front of an active backend and a standby. */
export interface Pair {
  /** Where calls are posted, and with what. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Every process of the active backend. */
  readonly activePids: () => readonly number[];
  /** The ids of the calls that were started, once for each start. */
  readonly startedIds: () => Promise<readonly string[]>;
  readonly stop: () => Promise<void>;
}

/** One line for each start of the function, with the call's id; a process that was killed may have left the beginning of one. */
export async function readLedger(path: string): Promise<readonly string[]> {
  const lines = (await readFile(path, "utf8")).split("\n");
  return lines.flatMap((line) => {
    const entry = parseJson(Buffer.from(line));
    const id = typeof entry === "object" && entry !== null && "id" in entry ? entry.id : undefined;
    return typeof id === "string" ? [id] : [];
  });
}
