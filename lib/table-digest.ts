import { createHash } from "node:crypto";
import { entryKey, type RouteEntry } from "#lib/contracts/route-table.ts";

/** Entries are immutable, so each is written out once however many tables it stays in. */
const writtenOut = new WeakMap<RouteEntry, string>();

/**
 * What makes two tables equal: SHA-256, in hex, of the entries as canonical JSON in the order of their keys, one a line.
 * Federators send it with each frame, gateways and agents check what they put together against it.
 */
export function tableDigest(entries: Iterable<RouteEntry>): string {
  const keyed = [...entries].map((entry) => ({ key: entryKey(entry), entry }));
  keyed.sort((one, other) => (one.key < other.key ? -1 : 1));
  const hash = createHash("sha256");
  for (const [index, { entry }] of keyed.entries()) {
    if (index > 0) hash.update("\n");
    hash.update(entryLine(entry));
  }
  return hash.digest("hex");
}

function entryLine(entry: RouteEntry): string {
  const known = writtenOut.get(entry);
  if (known !== undefined) return known;
  const line = canonicalJson(entry);
  writtenOut.set(entry, line);
  return line;
}

/** JSON with the members of every object in the order of their names, so that equal values are equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(
          Object.entries(member).toSorted(([one], [other]) => (one < other ? -1 : 1)),
        )
      : member,
  );
}
