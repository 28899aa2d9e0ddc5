import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { MeridianError } from "#lib/errors.ts";
import type { S3CodeStoreConfig } from "../../code-store-config.ts";

const CONNECT_TIMEOUT_MS = 2_000;
/** Without a byte in either direction. */
const IDLE_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 10_000;
const TRANSFER_TIMEOUT_MS = 60_000;
const ATTEMPTS_MAX = 3;
/** Credentials are read again this often, so that changing the files changes them. */
const CREDENTIALS_KEPT_MS = 60_000;
/** A bucket answers with at most 1,000 keys a page; more pages than this are not a code store. */
const PAGES_MAX = 1_000;

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
}

/** What the code store asks of a bucket. Every call ends in time; a failure is MERIDIAN_CODE_UNAVAILABLE with its cause. */
export interface Bucket {
  /** In one step, and only if the server received the bytes with that SHA-256. */
  readonly put: (
    key: string,
    file: { readonly path: string; readonly bytes: number; readonly sha256: Buffer },
    signal: AbortSignal,
  ) => Promise<void>;
  /** False when there is nothing to copy. */
  readonly copy: (from: string, to: string) => Promise<boolean>;
  /** The body, to be destroyed by its reader; it ends with an error when it does not end in time. */
  readonly get: (key: string) => Promise<Readable | undefined>;
  readonly remove: (key: string) => Promise<void>;
  readonly list: (prefix: string) => Promise<readonly StoredObject[]>;
  readonly close: () => void;
}

/** Imported only where a bucket is configured: the SDK takes its time to load. */
export function openBucket(config: S3CodeStoreConfig): Bucket {
  const { endpoint, region, bucket, forcePathStyle } = config;
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle,
    credentials: () => readCredentials(config),
    maxAttempts: ATTEMPTS_MAX,
    // The digest is ours to verify; servers that are not AWS often know no other checksum.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
  });
  const closing = new AbortController();
  const limit = (
    timeoutMs: number,
    signal?: AbortSignal,
  ): { readonly abortSignal: AbortSignal } => ({
    abortSignal: AbortSignal.any([
      closing.signal,
      AbortSignal.timeout(timeoutMs),
      ...(signal === undefined ? [] : [signal]),
    ]),
  });
  const failed = (cause: unknown): never => {
    throw new MeridianError(
      "MERIDIAN_CODE_UNAVAILABLE",
      `The bucket ${bucket} at ${endpoint} failed (${String(cause)}). Try again; look at the federator's codeStore configuration if this stays.`,
      { cause },
    );
  };
  const unlessMissing = (cause: unknown): undefined =>
    isMissing(cause) ? undefined : failed(cause);

  return {
    put: async (key, { path, bytes, sha256 }, signal) => {
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        // In memory, as no more than a few uploads run at a time: a stream could not be sent a second time.
        Body: await readFile(path),
        ContentLength: bytes,
        ContentType: "application/zip",
        ChecksumSHA256: sha256.toString("base64"),
      });
      await client.send(command, limit(TRANSFER_TIMEOUT_MS, signal)).catch(failed);
    },
    copy: async (from, to) => {
      const command = new CopyObjectCommand({
        Bucket: bucket,
        Key: to,
        CopySource: encodeURI(`${bucket}/${from}`),
      });
      return (
        (await client.send(command, limit(CALL_TIMEOUT_MS)).catch(unlessMissing)) !== undefined
      );
    },
    get: async (key) => {
      const command = new GetObjectCommand({ Bucket: bucket, Key: key });
      const { abortSignal } = limit(TRANSFER_TIMEOUT_MS);
      const answer = await client.send(command, { abortSignal }).catch(unlessMissing);
      const body = answer?.Body;
      if (!(body instanceof Readable)) return undefined;
      const giveUp = (): void => void body.destroy(new Error("the bucket did not give it in time"));
      abortSignal.addEventListener("abort", giveUp, { once: true });
      return body.once("close", () => abortSignal.removeEventListener("abort", giveUp));
    },
    remove: async (key) => {
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
      await client.send(command, limit(CALL_TIMEOUT_MS)).catch(unlessMissing);
    },
    list: async (prefix) => {
      const objects: StoredObject[] = [];
      let token: string | undefined;
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const command = new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        });
        const answer = await client.send(command, limit(CALL_TIMEOUT_MS)).catch(failed);
        for (const { Key: key, Size: bytes } of answer.Contents ?? [])
          if (key !== undefined && bytes !== undefined) objects.push({ key, bytes });
        token = answer.NextContinuationToken;
        if (answer.IsTruncated !== true || token === undefined) return objects;
      }
      return failed(new Error(`it has more than ${objects.length} keys under ${prefix}`));
    },
    close: () => {
      closing.abort(new Error("the code store is closed"));
      client.destroy();
    },
  };
}

/** A bucket that is not there is a mistake in the configuration, not an archive that is missing. */
const isMissing = (cause: unknown): boolean =>
  cause instanceof Error && (cause.name === "NoSuchKey" || cause.name === "NotFound");

const Credentials = Type.Object({
  accessKeyId: Type.String({ minLength: 1 }),
  secretAccessKey: Type.String({ minLength: 1 }),
  sessionToken: Type.Optional(Type.String()),
});

async function readCredentials(
  config: S3CodeStoreConfig,
): Promise<Static<typeof Credentials> & { readonly expiration: Date }> {
  const { credentialsFile, accessKeyIdFile = "", secretAccessKeyFile = "" } = config;
  const candidate: unknown =
    credentialsFile === undefined
      ? {
          accessKeyId: (await readFile(accessKeyIdFile, "utf8")).trim(),
          secretAccessKey: (await readFile(secretAccessKeyFile, "utf8")).trim(),
        }
      : JSON.parse(await readFile(credentialsFile, "utf8"));
  if (!Value.Check(Credentials, candidate))
    throw new Error(
      `${credentialsFile ?? accessKeyIdFile} holds no accessKeyId and secretAccessKey`,
    );
  return { ...candidate, expiration: new Date(Date.now() + CREDENTIALS_KEPT_MS) };
}
