import { hash } from "node:crypto";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { RecordHash } from "../../core/replica/multiset-digest.ts";

/** The first half of the SHA-256 of key, revisions and value; no key holds the character between them. */
export function recordHash({
  key,
  createRevision,
  modRevision,
  value,
}: Omit<CatalogRecord, "leaseId">): RecordHash {
  const digest = hash("sha256", `${key}\n${createRevision}\n${modRevision}\n${value}`, "buffer");
  return [digest.readBigUInt64BE(0), digest.readBigUInt64BE(8)];
}

export const hashText = ([first, second]: RecordHash): string =>
  first.toString(16).padStart(16, "0") + second.toString(16).padStart(16, "0");
