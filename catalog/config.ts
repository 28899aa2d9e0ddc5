import { type Static, Type } from "typebox";
import { parseConfig } from "#lib/parse-config.ts";

const CatalogConfig = Type.Object(
  {
    runDirectory: Type.String({ minLength: 1 }),
    bootTokenFile: Type.String({ minLength: 1 }),
    databaseFile: Type.String({ minLength: 1 }),
    logLevel: Type.String({ default: "info" }),
    /** The file grows no further; writes are then refused. */
    databaseBytesMax: Type.Integer({ minimum: 1_048_576, default: 8 * 1024 ** 3 }),
    /** History is kept for this time, so that a zone that was away can go on where it stopped. */
    historyMs: Type.Integer({ minimum: 1_000, default: 600_000 }),
    /** So many revisions are kept however old they are. */
    historyRevisionsMin: Type.Integer({ minimum: 1, default: 10_000 }),
    /** And no more than so many, however young. */
    historyRevisionsMax: Type.Integer({ minimum: 1, default: 200_000 }),
  },
  { additionalProperties: false },
);
export type CatalogConfig = Static<typeof CatalogConfig>;

export const readCatalogConfig = (): CatalogConfig =>
  parseConfig(CatalogConfig, process.argv.slice(2), process.env);
