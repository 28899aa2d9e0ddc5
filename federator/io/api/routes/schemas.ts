import { type TSchema, Type } from "typebox";
import { Digest, Name } from "#lib/contracts/names.ts";

/* Parts of the routes' schemas: what stands in paths and queries, and how lists are answered. */
const closed = { additionalProperties: false } as const;

export const JSON_BODY_BYTES_MAX = 16 * 1024;

/** Far more than a manifest may have, so that one that is too large is told its own error. */
export const MANIFEST_BODY_BYTES_MAX = 128 * 1024;

export const TenantPath = Type.Object({ tenant: Name }, closed);
export const CodePath = Type.Object({ tenant: Name, digest: Digest }, closed);
export const FunctionPath = Type.Object({ tenant: Name, functionName: Name }, closed);
export const VersionPath = Type.Object(
  { tenant: Name, functionName: Name, version: Type.String({ pattern: "^[1-9]\\d{0,9}$" }) },
  closed,
);
export const SecretPath = Type.Object({ tenant: Name, name: Name }, closed);
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
