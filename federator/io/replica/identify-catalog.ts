import { Value } from "typebox/value";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { FederationRecord, SCHEMA_VERSION } from "#lib/contracts/catalog-records.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, CatalogRecord, Operation } from "#lib/ports/catalog.ts";
import type { Random } from "#lib/ports/random.ts";
import { isSameWrite } from "../../core/replica/diff-snapshot.ts";
import {
  type Continuation,
  judgeContinuation,
  type SeenCatalog,
} from "../../core/replica/judge-catalog.ts";
import type { Witness } from "./engine-ground.ts";

const FEDERATION_ID_DIGITS = 32;

/** Where the catalog is, and what federation it says it belongs to. */
export async function lookAtCatalog(catalog: Catalog, signal: AbortSignal): Promise<SeenCatalog> {
  const page = await catalog.range({ prefix: keys.federation(), limit: 1 }, signal);
  if (page.kind === "compacted") throw forgotten();
  const { incarnation, revision, records } = page;
  const record = records.find(({ key }) => key === keys.federation());
  return { position: { incarnation, revision }, federation: readFederation(record) };
}

function readFederation(record: CatalogRecord | undefined): SeenCatalog["federation"] {
  if (record === undefined) return { kind: "nameless" };
  const named = parseJson(record.value);
  if (!Value.Check(FederationRecord, named)) return { kind: "unreadable" };
  const { federationId, schemaVersion } = named;
  return { kind: "named", federationId, schemaVersion, createRevision: record.createRevision };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const newFederationId = (random: Random): string =>
  Array.from({ length: FEDERATION_ID_DIGITS }, () =>
    Math.floor(random.next() * 16).toString(16),
  ).join("");

export const federationOperation = (federationId: string, wallMs: number): Operation => ({
  kind: "put",
  key: keys.federation(),
  value: JSON.stringify({
    federationId,
    schemaVersion: SCHEMA_VERSION,
    createdAtMs: wallMs,
  } satisfies FederationRecord),
});

export interface OwnCopy {
  readonly cursor: Position | undefined;
  readonly witnesses: readonly Witness[];
  readonly copyOf: (key: string) => CatalogRecord | undefined;
}

/** How the copy held here goes on in that catalog. */
export async function findContinuation(
  catalog: Catalog,
  { cursor, witnesses, copyOf }: OwnCopy,
  { position: now, federation }: SeenCatalog,
  signal: AbortSignal,
): Promise<Continuation> {
  const named = copyOf(keys.federation());
  const isNamedAnew =
    named !== undefined &&
    federation.kind === "named" &&
    federation.createRevision !== named.createRevision;
  if (isNamedAnew) return judgeContinuation(cursor, now, "denied");
  const isAhead =
    cursor !== undefined &&
    cursor.incarnation === now.incarnation &&
    cursor.revision <= now.revision;
  if (!isAhead) return judgeContinuation(cursor, now, "forgotten");

  const asked = witnesses.length > 0 ? witnesses.map(({ key }) => key) : [keys.federation()];
  for (const key of asked) {
    const query = { prefix: key, limit: 1, atRevision: cursor.revision };
    const page = await catalog.range(query, signal);
    if (page.kind === "compacted") return judgeContinuation(cursor, now, "forgotten");
    const there = page.records.find((record) => record.key === key);
    const here = copyOf(key);
    const isConfirmed =
      here === undefined || there === undefined ? here === there : isSameWrite(here, there);
    if (!isConfirmed) return judgeContinuation(cursor, now, "denied");
  }
  return judgeContinuation(cursor, now, "confirmed");
}

export const forgotten = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_CATALOG_UNAVAILABLE",
    "The catalog forgot the revision while it was read; it is read again.",
  );
