import type { Readable } from "node:stream";

/** An archive that was verified, inspected and synced to disk. */
export interface StoredCode {
  readonly digest: string;
  readonly bytes: number;
}

/** The name an archive has in every zone's code folder. */
export const codeFileName = (digest: string): string => `${digest}.zip`;

/** One zone's function archives by digest (`sha256:` and hex). Nothing else gets in. */
export interface CodeStore {
  /**
   * Takes an archive in: MERIDIAN_CODE_DIGEST_MISMATCH, MERIDIAN_CODE_TOO_LARGE or MERIDIAN_CODE_INVALID when it is not
   * what it should be. An archive that is there already is verified all the same and kept.
   */
  readonly put: (
    digest: string,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ) => Promise<StoredCode & { readonly files: readonly string[] }>;
  /** Whether, and how large. Who asks is about to use it: renews `storedAtMs`. */
  readonly find: (digest: string) => Promise<StoredCode | undefined>;
  /** Paths of the archive's files; none of an archive that is not there. */
  readonly filesOf: (digest: string) => Promise<readonly string[]>;
  /** The archive as it was sent; the reader destroys the stream. */
  readonly read: (
    digest: string,
  ) => Promise<{ readonly bytes: number; readonly stream: Readable } | undefined>;
  readonly remove: (digest: string) => Promise<void>;
  /** `storedAtMs` is wall-clock time, of the last time the archive was sent or asked for. */
  readonly list: () => Promise<readonly { readonly digest: string; readonly storedAtMs: number }[]>;
}
