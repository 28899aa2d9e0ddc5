/** What a version's record says of its code: enough to keep it. */
export interface RecordedCodeUse {
  readonly digest: string;
  readonly regions: readonly string[];
}

/**
 * Reads no more of a version's record than it must, so that one that a newer Meridian wrote still keeps its code. Undefined when
 * even that cannot be read: then nobody can say which code it needs.
 */
export function readCodeUse(value: string): RecordedCodeUse | undefined {
  const record = fieldsOf(parse(value));
  const digest = record["codeDigest"];
  const regions = fieldsOf(fieldsOf(record["manifest"])["placement"])["regions"];
  if (typeof digest !== "string" || !Array.isArray(regions)) return undefined;
  return regions.every((region) => typeof region === "string") ? { digest, regions } : undefined;
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
