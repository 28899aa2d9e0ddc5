import type { Position } from "#lib/contracts/route-table.ts";
import { SCHEMA_VERSION } from "#lib/contracts/catalog-records.ts";

/** What a catalog says of itself at the first look. */
export interface SeenCatalog {
  readonly position: Position;
  /** `unreadable`: there is a record of that name, and it is not one of ours. */
  readonly federation:
    | {
        readonly kind: "named";
        readonly federationId: string;
        readonly schemaVersion: number;
        /** Another one than before: the catalog was emptied and got its name again. */
        readonly createRevision: number;
      }
    | { readonly kind: "nameless" }
    | { readonly kind: "unreadable" };
}

export interface KnownFederation {
  /** Null while this replica never saw a name. */
  readonly federationId: string | null;
  readonly cursor: Position | undefined;
}

export type RefusalCode = "MERIDIAN_CATALOG_FOREIGN" | "MERIDIAN_CATALOG_NEWER";

/** `name-it`: nobody gave it a name, and nothing speaks against doing so. */
export type CatalogJudgement =
  | { readonly kind: "ours"; readonly federationId: string }
  | { readonly kind: "name-it" }
  | { readonly kind: "refused"; readonly code: RefusalCode; readonly reason: string };

/** Is this the catalog whose copy is held here, and can this program read it? */
export function judgeCatalog(known: KnownFederation, seen: SeenCatalog): CatalogJudgement {
  const { federation, position } = seen;
  switch (federation.kind) {
    case "unreadable":
      return foreign("its federation record is not one of Meridian's");
    case "nameless":
      return known.federationId === null
        ? { kind: "name-it" }
        : foreign(
            `it names no federation, and this zone belongs to ${known.federationId}: connect its own, or, if it was emptied, write it anew with meridian catalog recover`,
          );
    case "named": {
      const { federationId, schemaVersion } = federation;
      if (known.federationId !== null && known.federationId !== federationId)
        return foreign(`it belongs to ${federationId}, and this zone to ${known.federationId}`);
      const isUnknownCopy =
        known.federationId === null &&
        known.cursor !== undefined &&
        known.cursor.incarnation !== position.incarnation;
      if (isUnknownCopy)
        return foreign(
          `it belongs to ${federationId}, and this zone holds a copy of a catalog without a name; remove its replica.sqlite if that is right`,
        );
      if (schemaVersion > SCHEMA_VERSION)
        return {
          kind: "refused",
          code: "MERIDIAN_CATALOG_NEWER",
          reason: `it has schema ${schemaVersion}, and this program knows ${SCHEMA_VERSION}: upgrade this zone`,
        };
      return { kind: "ours", federationId };
    }
  }
}

const foreign = (reason: string): CatalogJudgement => ({
  kind: "refused",
  code: "MERIDIAN_CATALOG_FOREIGN",
  reason,
});

/**
 * A restored etcd counts on from far ahead (`etcdutl snapshot restore --bump-revision 1000000000`, as its manual says). Writes
 * alone take a month to get half as far, at the 200 a second that a catalog is made for.
 */
const RESTORE_JUMP_MIN = 500_000_000;

/**
 * `continued`: every revision since the cursor can be had. `gap`: the same history, some of it forgotten. `restored`: the history
 * is another one from some point on, before or after the cursor.
 */
export type Continuation = "continued" | "gap" | "restored";

/** `witness`: whether the newest revision held here stands in the catalog too, where the catalog still knows. */
export function judgeContinuation(
  cursor: Position | undefined,
  now: Position,
  witness: "confirmed" | "denied" | "forgotten",
): Continuation {
  if (cursor === undefined) return "gap";
  if (cursor.incarnation !== now.incarnation || now.revision < cursor.revision) return "restored";
  if (now.revision - cursor.revision >= RESTORE_JUMP_MIN) return "restored";
  if (witness === "denied") return "restored";
  return witness === "forgotten" ? "gap" : "continued";
}
