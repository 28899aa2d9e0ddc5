import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;
const Path = Type.String({ minLength: 1 });

/** The one that `meridian up` runs beside the zones, found in the run directory. */
const EmbeddedCatalog = Type.Object({ kind: Type.Literal("embedded") }, closed);

/** An etcd cluster. The member of the own zone comes first: it is asked as long as it answers. */
const EtcdCatalog = Type.Object(
  {
    kind: Type.Literal("etcd"),
    endpoints: Type.Array(Type.String({ pattern: "^https?://[^/@\\s]+/?$" }), {
      minItems: 1,
      maxItems: 9,
    }),
    /** Of every key; the folder beside it, `PREFIX-writers/`, is this project's too. */
    keyPrefix: Type.Optional(Type.String({ pattern: "^[!-~]{0,127}[!-.0-~]/$" })),
    /** The `--quota-backend-bytes` that its members run with; 8 GiB unless told. */
    quotaBytes: Type.Optional(Type.Integer({ minimum: 1_048_576 })),
    username: Type.Optional(Type.String({ minLength: 1 })),
    passwordFile: Type.Optional(Path),
    certificateAuthorityFile: Type.Optional(Path),
    certificateFile: Type.Optional(Path),
    keyFile: Type.Optional(Path),
  },
  closed,
);
export type EtcdCatalogConfig = Static<typeof EtcdCatalog>;

/** Where a program finds the catalog. */
export const CatalogConfig = Type.Union([EmbeddedCatalog, EtcdCatalog]);
export type CatalogConfig = Static<typeof CatalogConfig>;
