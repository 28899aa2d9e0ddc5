import { type Static, Type } from "typebox";
import { Name } from "#lib/contracts/names.ts";
import { parseConfig } from "#lib/parse-config.ts";

const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Path = Type.String({ minLength: 1 });

const EtcdMemberConfig = Type.Object(
  {
    zone: Name,
    runDirectory: Path,
    /** The etcd program. */
    etcd: Path,
    dataDirectory: Path,
    /** Written once this member has served: without its data it must then join again, under a new identity. */
    hasServedFile: Path,
    /** What root of this etcd is called with; nobody else has a user. */
    passwordFile: Path,
    /** Tells the members of one cluster from those of another on the same ports. */
    clusterToken: Type.String({ minLength: 1 }),
    members: Type.Array(
      Type.Object(
        { zone: Name, clientPort: Port, peerPort: Port },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 9 },
    ),
    logLevel: Type.String({ default: "info" }),
    /** The database grows no further; writes are then refused. */
    databaseBytesMax: Type.Integer({ minimum: 1_048_576, default: 8 * 1024 ** 3 }),
  },
  { additionalProperties: false },
);
export type EtcdMemberConfig = Static<typeof EtcdMemberConfig>;

export const readEtcdMemberConfig = (): EtcdMemberConfig =>
  parseConfig(EtcdMemberConfig, process.argv.slice(2), process.env);
