import type { Position, RouteEntry } from "#lib/contracts/route-table.ts";
import { addHash, canonicalJson, digestText, encodeEntry, entryHash } from "#lib/table-digest.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { Invariant } from "./check.ts";

/** Forward only, and each with the digest of what is in it. */
export const tablesAreWhole: Invariant = {
  name: "6 a gateway's table never goes back and is never half-applied",
  start: ({ broken }) => {
    const lastSeen = new Map<string, Position>();
    return {
      always: (event) => {
        if (event.kind !== "table") return;
        const { zone, gatewayHost, table } = event;
        const { position } = table;
        const before = lastSeen.get(gatewayHost);
        lastSeen.set(gatewayHost, position);
        if (before?.incarnation === position.incarnation && before.revision > position.revision)
          broken(`${zone}'s table went back from ${before.revision} to ${position.revision}`);
        const actual = digestOf(table);
        if (actual !== table.digest)
          broken(
            `${zone}'s table at ${position.revision} has the digest ${actual}, not ${table.digest}`,
          );
      },
    };
  },
};

const entryHashes = new WeakMap<RouteEntry, bigint>();

function digestOf({ entries }: RouteTable): string {
  let sum = 0n;
  for (const entry of entries.values()) sum = addHash(sum, hashOfEntry(entry));
  return digestText(sum);
}

function hashOfEntry(entry: RouteEntry): bigint {
  const known = entryHashes.get(entry);
  if (known !== undefined) return known;
  const { key, text } = encodeEntry(entry);
  const made = entryHash(key, text);
  entryHashes.set(entry, made);
  return made;
}

/** By the digest, and by a sum of our own over what is in it. */
export const equalPositionsEqualTables: Invariant = {
  name: "8 equal positions have equal tables in all zones",
  start: ({ broken }) => {
    const known = new Map<string, { zone: string; digest: string; sum: number }>();
    return {
      always: (event) => {
        if (event.kind !== "table") return;
        const { zone, table } = event;
        const { incarnation, revision } = table.position;
        const place = `${incarnation}@${revision}`;
        const its = { zone, digest: table.digest, sum: sumOf(table) };
        const before = known.get(place);
        if (before === undefined) known.set(place, its);
        else if (before.digest !== its.digest || before.sum !== its.sum)
          broken(
            `${place}: ${before.zone} has ${before.digest}/${before.sum}, ${zone} has ${its.digest}/${its.sum}`,
          );
      },
    };
  },
};

const entrySums = new WeakMap<RouteEntry, number>();

/** Of all entries, in any order; knows nothing of the digest's own way. */
function sumOf({ entries }: RouteTable): number {
  let sum = entries.size;
  for (const entry of entries.values()) {
    const known = entrySums.get(entry) ?? hashOf(canonicalJson(entry));
    entrySums.set(entry, known);
    sum = (sum + known) | 0;
  }
  return sum;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
