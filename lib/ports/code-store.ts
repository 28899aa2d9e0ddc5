import type { Readable } from "node:stream";

/** An archive that was verified, inspected and is durable. */
export interface StoredCode {
  readonly digest: string;
  readonly bytes: number;
  /** Stands for this asking: `remove` with it does nothing once somebody else has asked. */
  readonly claim: string;
}

/** Where a store keeps its archives, to tell how many zones may be lost before they are. */
export interface CodePlace {
  /** Equal for two stores that are one, such as two zones' federators on one bucket. */
  readonly id: string;
  /** Zones that each hold a whole copy of what the store took in. */
  readonly zonesHeld: readonly string[];
}

/** One archive as it lies there; with `isSpare`, beside a newer one of the same digest. */
export interface StoredArchive {
  readonly digest: string;
  readonly claim: string;
  /** Since this process first saw it, or somebody last asked for it: on the monotonic clock, so that no clock step ages it. */
  readonly idleMs: number;
  readonly isSpare: boolean;
}

/** The name an archive has in every zone's code folder. */
export const codeFileName = (digest: string): string => `${digest}.zip`;

/**
 * A zone's function archives by digest (`sha256:` and hex). Nothing gets in or out that does not have its digest. Contract:
 * test/contract/code-store.contract.ts.
 */
export interface CodeStore {
  readonly place: CodePlace;
  /**
   * Takes an archive in, whole or not at all: MERIDIAN_CODE_DIGEST_MISMATCH, MERIDIAN_CODE_TOO_LARGE or MERIDIAN_CODE_INVALID
   * when it is not what it should be. An archive that is there already is verified all the same and kept.
   */
  readonly put: (
    digest: string,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ) => Promise<StoredCode & { readonly files: readonly string[] }>;
  /** Whether, and how large; a damaged one is not there. Who asks is about to use it: nothing removes it for a while. */
  readonly find: (digest: string) => Promise<StoredCode | undefined>;
  /** Paths of the archive's files; none of an archive that is not there. */
  readonly filesOf: (digest: string) => Promise<readonly string[]>;
  /** The archive, verified before its first byte is given, or MERIDIAN_CODE_DAMAGED; the reader destroys the stream. */
  readonly read: (
    digest: string,
  ) => Promise<{ readonly bytes: number; readonly stream: Readable } | undefined>;
  /** Looks whether it is still what it was, without asking for it; what is damaged is put aside, to be fetched again. */
  readonly check: (digest: string) => Promise<boolean>;
  /** Removes it unless it was asked for after `claim`; tells whether it did. */
  readonly remove: (digest: string, claim: string) => Promise<boolean>;
  readonly list: () => Promise<readonly StoredArchive[]>;
  readonly close: () => Promise<void>;
}
