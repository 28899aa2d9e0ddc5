import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Name } from "./names.ts";
import { Position } from "./route-table.ts";

/*
 * The catalog as the zones see it, and what an operator can do about a restored, emptied or foreign one:
 *   GET  /v1/catalog                       FederationCatalog
 *   POST /v1/catalog:recover {zone}        CatalogRecovery: writes back what a restored catalog lost and the zone kept
 *   POST /v1/catalog:discard {zone}        CatalogZone: drops what the zone kept
 *   POST /v1/catalog:accept {zone}         CatalogZone: takes over the removals that the zone held back
 * Between federators the same calls, with the story of the change as their body, are at /internal/catalog/…
 */
export const CatalogZone = Type.Object(
  {
    zone: Name,
    /** Where in the catalog's history the zone's replica is; null before the first revision. */
    position: Type.Union([Position, Type.Null()]),
    /** Since the catalog was last heard; null while it never was. */
    ageMs: Type.Union([Type.Number(), Type.Null()]),
    /** Stands for all records: equal positions have equal ones. Null until they were added up once. */
    digest: Type.Union([Type.String(), Type.Null()]),
    /** What a restored catalog lost and this zone kept. */
    stranded: Type.Object(
      {
        /** Served here until an operator decides. */
        served: Type.Integer({ minimum: 0 }),
        /** No longer served: the catalog has said something else of them since. */
        superseded: Type.Integer({ minimum: 0 }),
        /** The first of them. */
        keys: Type.Array(Type.String()),
      },
      extensible,
    ),
    /** Functions that the catalog does not have any more and the zone goes on serving. */
    heldBack: Type.Union([
      Type.Object({ removed: Type.Integer(), held: Type.Integer() }, extensible),
      Type.Null(),
    ]),
    /** Why the catalog that is there is not followed. */
    refusal: Type.Union([
      Type.Object({ code: Type.String(), reason: Type.String() }, extensible),
      Type.Null(),
    ]),
    /** Records that were not as the catalog has them, since the federator started. */
    repairs: Type.Object(
      {
        byDigest: Type.Integer({ minimum: 0 }),
        byScrub: Type.Integer({ minimum: 0 }),
        lastAtMs: Type.Union([Type.Integer(), Type.Null()]),
      },
      extensible,
    ),
  },
  extensible,
);
export type CatalogZone = Static<typeof CatalogZone>;

export const FederationCatalog = Type.Object(
  { zones: Type.Array(CatalogZone), silentZones: Type.Array(Name) },
  extensible,
);
export type FederationCatalog = Static<typeof FederationCatalog>;

export const CatalogRecovery = Type.Object(
  {
    zone: Name,
    /** Records written back by this call. */
    recovered: Type.Integer({ minimum: 0 }),
    /** False: there is more; call again. */
    isDone: Type.Boolean(),
    /** Left over once it is done: the catalog has something newer that they belong to. */
    left: Type.Integer({ minimum: 0 }),
    leftKeys: Type.Array(Type.String()),
  },
  extensible,
);
export type CatalogRecovery = Static<typeof CatalogRecovery>;
