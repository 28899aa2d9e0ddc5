import { randomBytes } from "node:crypto";
import type { SecretRecord } from "#lib/contracts/catalog-records.ts";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import { KEY_BYTES, seal, unseal } from "./aes-gcm.ts";

/** Which revision of which secret; the encryption is bound to it, so that one cannot be passed off as another. */
export type SecretIdentity = Pick<SecretRecord, "tenant" | "name" | "revision">;

export type SecretEnvelope = Pick<SecretRecord, "keyId" | "wrappedKey" | "nonce" | "ciphertext">;

/** Encrypts a value under a key of its own, and that key under the federation's. */
export async function sealSecret(
  value: string,
  identity: SecretIdentity,
  keyEncryption: KeyEncryption,
): Promise<SecretEnvelope> {
  const boundTo = identityText(identity);
  const dataKey = randomBytes(KEY_BYTES);
  const { nonce, ciphertext } = seal(dataKey, Buffer.from(value, "utf8"), boundTo);
  const { keyId, wrappedKey } = await keyEncryption.wrap(dataKey, boundTo);
  dataKey.fill(0);
  return {
    keyId,
    wrappedKey: base64(wrappedKey),
    nonce: base64(nonce),
    ciphertext: base64(ciphertext),
  };
}

/** Rejects when the key is not known or anything about the envelope was changed. */
export async function openSecret(
  identity: SecretIdentity,
  { keyId, wrappedKey, nonce, ciphertext }: SecretEnvelope,
  keyEncryption: KeyEncryption,
): Promise<string> {
  const boundTo = identityText(identity);
  const wrapped = { keyId, wrappedKey: bytes(wrappedKey) };
  const dataKey = await keyEncryption.unwrap(wrapped, boundTo);
  const sealed = { nonce: bytes(nonce), ciphertext: bytes(ciphertext) };
  return unseal(dataKey, sealed, boundTo).toString("utf8");
}

const identityText = ({ tenant, name, revision }: SecretIdentity): string =>
  `meridian secret ${tenant}/${name}/${revision}`;

const base64 = (binary: Uint8Array): string => Buffer.from(binary).toString("base64");
const bytes = (text: string): Buffer => Buffer.from(text, "base64");
