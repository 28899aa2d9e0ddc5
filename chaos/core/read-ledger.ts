/** How often each numbered call was started, as the function itself wrote it down. */
export interface Ledger {
  readonly startsById: ReadonlyMap<string, number>;
  /** Lines that are no entry: with one of them, nobody knows which call was started. */
  readonly brokenLines: number;
}

/** Reads the ledger's text; `isEntry` is the check of the entry's schema. */
export function readLedger(
  text: string,
  isEntry: (value: unknown) => value is { id: string },
): Ledger {
  const startsById = new Map<string, number>();
  let brokenLines = 0;
  const lines = text.split("\n");
  // A whole ledger ends with a line feed, so what follows the last one is empty.
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    const entry = parse(line);
    if (isEntry(entry)) startsById.set(entry.id, (startsById.get(entry.id) ?? 0) + 1);
    else brokenLines += 1;
  }
  return { startsById, brokenLines };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
