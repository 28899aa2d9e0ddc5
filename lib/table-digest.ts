import { hash } from "node:crypto";
import { entryKey, type RouteEntry } from "#lib/contracts/route-table.ts";

/*
 * What makes two tables equal: the sum, modulo 2^256, of the SHA-256 of each entry's key and text (AdHash: Bellare, Micciancio,
 * "A new paradigm for collision-free hashing", EUROCRYPT 1997). An entry that changes is taken out of the sum and put in again,
 * whatever the size of the table, and the order of the entries makes no difference.
 *
 * Whoever may choose thousands of entries could construct two tables of one sum (Wagner, "A generalized birthday problem", CRYPTO
 * 2002). That would gain nothing: the digest finds lost, doubled and damaged entries of a federator that has proved itself by its
 * token; who may change what that federator sends does not need equal digests.
 */

const BITS = 256;
const HEX_DIGITS = BITS / 4;

/** The part of one entry in the sum. */
export const entryHash = (key: string, text: string): bigint =>
  BigInt(`0x${hash("sha256", `${key}\n${text}`, "hex")}`);

export const addHash = (sum: bigint, entry: bigint): bigint => BigInt.asUintN(BITS, sum + entry);
export const subtractHash = (sum: bigint, entry: bigint): bigint =>
  BigInt.asUintN(BITS, sum - entry);

/** The sum as it travels. */
export const digestText = (sum: bigint): string => sum.toString(16).padStart(HEX_DIGITS, "0");

/** An entry as it travels and is kept: what reads it need not know all that stands in its text. */
export interface TextEntry {
  readonly key: string;
  readonly text: string;
}

export const encodeEntry = (entry: RouteEntry): TextEntry => ({
  key: entryKey(entry),
  text: canonicalJson(entry),
});

/** The digest of a table that is at hand as a whole. */
export function tableDigest(entries: Iterable<RouteEntry>): string {
  let sum = 0n;
  for (const entry of entries) {
    const { key, text } = encodeEntry(entry);
    sum = addHash(sum, entryHash(key, text));
  }
  return digestText(sum);
}

/** JSON with the members of every object in the order of their names, so that equal values are equal texts. */
export const canonicalJson = (value: unknown): string => JSON.stringify(inOrder(value));

/** A replacer of `JSON.stringify` would be called for each member, and sort what is sorted already. */
function inOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const members = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]));
}
