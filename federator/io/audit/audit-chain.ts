import { createHash } from "node:crypto";
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { AuditEntry } from "#lib/contracts/api-status.ts";
import { Position } from "#lib/contracts/route-table.ts";

const { zone: _zone, ...members } = AuditEntry.properties;
/** An entry as it stands in a zone's own chain. */
export const ChainedEntry = Type.Object(members, { additionalProperties: false });
export type ChainedEntry = Static<typeof ChainedEntry>;
export type AuditDraft = Pick<ChainedEntry, "revision" | "outcome" | "change">;

/** A line of the file; `cursor` is how far the catalog's history was written when the line was. */
export const AuditLine = Type.Object(
  { cursor: Position, entry: ChainedEntry },
  { additionalProperties: false },
);
export type AuditLine = Static<typeof AuditLine>;
const compiledLine = Compile(AuditLine);

/** What the first entry of all has in place of the hash before it. */
const FIRST_HASH = "0".repeat(64);

export function chainEntry(previous: ChainedEntry | undefined, draft: AuditDraft): ChainedEntry {
  const sequence = (previous?.sequence ?? 0) + 1;
  const previousHash = previous?.hash ?? FIRST_HASH;
  const { revision, outcome, change } = draft;
  const unhashed = { sequence, revision, outcome, change, previousHash };
  return { ...unhashed, hash: hashOf(unhashed) };
}

/** Whether `entry` is what was written, directly after `previous`. */
export const followsInChain = (previous: ChainedEntry | undefined, entry: ChainedEntry): boolean =>
  entry.hash === hashOf(entry) &&
  (previous === undefined ||
    (entry.previousHash === previous.hash && entry.sequence === previous.sequence + 1));

export function parseAuditLine(text: string): AuditLine | undefined {
  try {
    const candidate: unknown = JSON.parse(text);
    return compiledLine.Check(candidate) ? candidate : undefined;
  } catch {
    return undefined;
  }
}

/** SHA-256 over the JSON of `[sequence, revision, outcome, change, previousHash]`. */
function hashOf(entry: Omit<ChainedEntry, "hash">): string {
  const { sequence, revision, outcome, change, previousHash } = entry;
  const text = JSON.stringify([sequence, revision, outcome, change, previousHash]);
  return createHash("sha256").update(text).digest("hex");
}
