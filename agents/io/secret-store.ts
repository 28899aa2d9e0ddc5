import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SecretRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { openSecret, type SecretIdentity } from "#lib/io/secret-envelope.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import { isRecordOf } from "./fetch-secret.ts";
import type { PoolVersion } from "./pool-version.ts";

/** Secrets on this cluster's disk, encrypted as the catalog has them, so that instances start with every federator gone. */
export interface SecretStore {
  /** Makes sure that it is here; MERIDIAN_SECRET_UNAVAILABLE when it can be had nowhere. */
  readonly keep: (wanted: SecretIdentity) => Promise<void>;
  /** `secretKey` of what is here. */
  readonly kept: () => ReadonlySet<string>;
  readonly drop: (key: string) => Promise<void>;
  /** The values that the version's instances get, by environment variable; decrypted anew for each start and kept nowhere. */
  readonly environmentOf: (of: PoolVersion) => Promise<Readonly<Record<string, string>>>;
  readonly close: () => Promise<void>;
}

export type FetchSecret = (wanted: SecretIdentity, signal: AbortSignal) => Promise<SecretRecord>;

/** Names are DNS labels, so that it is a file name too, and no two are alike. */
export const secretKey = ({ tenant, name, revision }: SecretIdentity): string =>
  `${tenant}.${name}.${revision}`;

const SUFFIX = ".json";

export async function openSecretStore(
  folder: string,
  fetch: FetchSecret,
  keyEncryption: KeyEncryption | undefined,
): Promise<SecretStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const kept = new Set(
    (await readdir(folder))
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => file.slice(0, -SUFFIX.length)),
  );
  const fetching = new Map<string, Promise<SecretRecord>>();
  const stopping = new AbortController();

  const bring = async (wanted: SecretIdentity): Promise<SecretRecord> => {
    const key = secretKey(wanted);
    const record = await fetch(wanted, stopping.signal);
    await writeAtomically(join(folder, key + SUFFIX), JSON.stringify(record));
    kept.add(key);
    return record;
  };
  const find = async (wanted: SecretIdentity): Promise<SecretRecord> => {
    const key = secretKey(wanted);
    const here = kept.has(key) ? await readRecord(join(folder, key + SUFFIX), wanted) : undefined;
    if (here !== undefined) return here;
    const running = fetching.get(key) ?? bring(wanted);
    fetching.set(key, running);
    void running.catch(() => undefined).finally(() => fetching.delete(key));
    return running;
  };

  return {
    kept: () => kept,
    keep: async (wanted) => void (await find(wanted)),
    drop: async (key) => {
      kept.delete(key);
      await rm(join(folder, key + SUFFIX), { force: true });
    },
    environmentOf: async (of) => {
      const { manifest } = of.version;
      const variables = Object.entries(manifest.secrets ?? {});
      if (variables.length === 0) return {};
      if (keyEncryption === undefined)
        throw unavailable("this cluster's agent has no key-encryption key");
      const values = await Promise.all(
        variables.map(async ([variable, name]): Promise<[string, string]> => {
          const identity = identityOf(of, name);
          const record = await find(identity);
          const value = await openSecret(identity, record, keyEncryption).catch(
            (cause: unknown) => {
              throw unavailable(`the secret ${name} cannot be decrypted here`, cause);
            },
          );
          return [variable, value];
        }),
      );
      return Object.fromEntries(values);
    },
    close: async () => {
      stopping.abort(new Error("the secret store is closed"));
      await Promise.allSettled(fetching.values());
    },
  };
}

function identityOf({ tenant, version }: PoolVersion, name: string): SecretIdentity {
  const revision = version.secretRevisions?.[name];
  if (revision !== undefined) return { tenant, name, revision };
  throw unavailable(`version ${version.version} does not say which revision of ${name} it needs`);
}

/** What was left half or changed on disk is as good as not there. */
async function readRecord(path: string, wanted: SecretIdentity): Promise<SecretRecord | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(path, "utf8"));
    return isRecordOf(record, wanted) ? record : undefined;
  } catch {
    return undefined;
  }
}

const unavailable = (why: string, cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_SECRET_UNAVAILABLE",
    `No instance can be started: ${why}.`,
    cause === undefined ? {} : { cause },
  );
