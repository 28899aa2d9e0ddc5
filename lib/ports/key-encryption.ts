/**
 * Encrypts the keys that secrets are encrypted with. Who can read the catalog, a backup of it or an agent's disk, but cannot ask
 * this, learns nothing. Contract: `test/contract/key-encryption.contract.ts`. In production a key management service can stand
 * behind it, which is why both calls may take their time and fail.
 */
export interface KeyEncryption {
  /** Encrypts under the newest key. `boundTo` has to be given again to decrypt it: what is put elsewhere opens nowhere. */
  readonly wrap: (dataKey: Uint8Array, boundTo: string) => Promise<WrappedKey>;
  /** Rejects when the key is not known, or when anything was changed. */
  readonly unwrap: (wrapped: WrappedKey, boundTo: string) => Promise<Uint8Array>;
}

export interface WrappedKey {
  /** Which of the keys it was encrypted under. */
  readonly keyId: string;
  readonly wrappedKey: Uint8Array;
}
