import { type TSchema, Type } from "typebox";
import { Digest, Name } from "#lib/contracts/names.ts";

/* Parts of the routes' schemas: what stands in paths and queries, and how lists are answered. */
const closed = { additionalProperties: false } as const;

export const JSON_BODY_BYTES_MAX = 16 * 1024;

export const TenantPath = Type.Object({ tenant: Name }, closed);
export const CodePath = Type.Object({ tenant: Name, digest: Digest }, closed);
export const FunctionPath = Type.Object({ tenant: Name, functionName: Name }, closed);
export const AliasPath = Type.Object({ tenant: Name, functionName: Name, alias: Name }, closed);
export const QuotaRequestPath = Type.Object({ id: Type.String({ maxLength: 64 }) }, closed);

const limit = Type.Integer({ minimum: 1, maximum: 1_000, default: 100 });
export const PageQuery = Type.Object(
  { limit, cursor: Type.Optional(Type.String({ maxLength: 256 })) },
  closed,
);

/** A page of a list; `next` is the cursor of the one after it. */
export const pageOf = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), next: Type.Union([Type.String(), Type.Null()]) }, closed);
