import { type Static, Type } from "typebox";
import { Name } from "#lib/contracts/names.ts";

const closed = { additionalProperties: false } as const;

const Directory = Type.Object({ kind: Type.Literal("directory") }, closed);

const S3 = Type.Object(
  {
    kind: Type.Literal("s3"),
    endpoint: Type.String({ pattern: "^https?://" }),
    region: Type.String({ minLength: 1 }),
    bucket: Type.String({ minLength: 3, maxLength: 63 }),
    /** Before each key, so that a bucket may hold other things too. */
    prefix: Type.String({ pattern: "^([A-Za-z0-9._-]+/)*$", default: "" }),
    /** Each file holds one value, or one file both as JSON: `{"accessKeyId": …, "secretAccessKey": …}`. Read again when they change. */
    accessKeyIdFile: Type.Optional(Type.String()),
    secretAccessKeyFile: Type.Optional(Type.String()),
    credentialsFile: Type.Optional(Type.String()),
    /** `endpoint/bucket/key` instead of `bucket.endpoint/key`, as most servers that are not AWS want it. */
    forcePathStyle: Type.Boolean({ default: false }),
    /** Zones that each hold a whole copy of the bucket; by default this zone alone. The same in all zones that use it. */
    zonesHeld: Type.Optional(Type.Array(Name, { minItems: 1, uniqueItems: true })),
  },
  closed,
);
export type S3CodeStoreConfig = Static<typeof S3>;

/** Where the zone keeps function archives: its `codeDirectory`, or a bucket of an S3-compatible store. */
export const CodeStoreConfig = Type.Union([Directory, S3], { default: { kind: "directory" } });
export type CodeStoreConfig = Static<typeof CodeStoreConfig>;
