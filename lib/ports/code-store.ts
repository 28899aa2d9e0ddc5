import type { Readable } from "node:stream";

/** An archive that was checked before it was stored. */
export interface StoredCode {
  readonly digest: string;
  readonly bytes: number;
  /** Paths of its files, in the archive's order. */
  readonly files: readonly string[];
}

/** One zone's function archives by digest (`sha256:` and hex). Nothing is in it that was not verified, inspected and synced to disk. */
export interface CodeStore {
  /**
   * Takes an archive in: MERIDIAN_CODE_DIGEST_MISMATCH, MERIDIAN_CODE_TOO_LARGE or MERIDIAN_CODE_INVALID when it is not
   * what it should be. An archive that is there already is verified all the same and kept.
   */
  readonly put: (
    digest: string,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ) => Promise<StoredCode>;
  /** What is stored under the digest, without its content. Who asks is about to use it: renews `storedAtMs`. */
  readonly describe: (digest: string) => Promise<StoredCode | undefined>;
  /** The archive as it was sent; the reader destroys the stream. */
  readonly read: (
    digest: string,
  ) => Promise<{ readonly bytes: number; readonly stream: Readable } | undefined>;
  readonly remove: (digest: string) => Promise<void>;
  /** `storedAtMs` is wall-clock time, of the last time the archive was sent or asked for. */
  readonly list: () => Promise<readonly { readonly digest: string; readonly storedAtMs: number }[]>;
}
