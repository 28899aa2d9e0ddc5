import { join } from "node:path";
import type { Logger } from "pino";
import { ConfigError } from "#lib/parse-config.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CodePlace, CodeStore } from "#lib/ports/code-store.ts";
import type { CodeStoreConfig, S3CodeStoreConfig } from "../../code-store-config.ts";
import { openDirectoryCodeStore } from "./directory-code-store.ts";

export interface CodeStoreGround {
  readonly zone: string;
  readonly codeDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The store that the configuration names. That a bucket cannot be reached is no reason not to start. */
export async function openCodeStore(
  config: CodeStoreConfig,
  { zone, codeDirectory, clock, log }: CodeStoreGround,
): Promise<CodeStore> {
  if (config.kind === "directory")
    return openDirectoryCodeStore({ directory: codeDirectory, zone, clock, log });
  if (!namesCredentials(config))
    throw new ConfigError(
      "the configuration is invalid:\n  /codeStore: needs credentialsFile, or accessKeyIdFile and secretAccessKeyFile",
    );
  const [{ openBucket }, { openS3CodeStore }] = await Promise.all([
    import("./s3-bucket.ts"),
    import("./s3-code-store.ts"),
  ]);
  return openS3CodeStore({
    bucket: openBucket(config),
    place: placeOf(config, zone),
    prefix: config.prefix,
    directory: join(codeDirectory, "passing"),
    clock,
    log,
  });
}

const namesCredentials = (config: S3CodeStoreConfig): boolean =>
  config.credentialsFile !== undefined ||
  (config.accessKeyIdFile !== undefined && config.secretAccessKeyFile !== undefined);

function placeOf(
  { endpoint, bucket, prefix, zonesHeld }: S3CodeStoreConfig,
  zone: string,
): CodePlace {
  return { id: `${new URL(endpoint).host}/${bucket}/${prefix}`, zonesHeld: zonesHeld ?? [zone] };
}
