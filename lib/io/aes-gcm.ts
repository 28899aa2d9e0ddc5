import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/*
 * AES-256 in Galois/Counter Mode (NIST SP 800-38D): nonces of 96 bits, tags of 128. A random nonce is safe for 2^32 encryptions under
 * one key, far more than secrets are ever changed.
 */
const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const KEY_BYTES = 32;

export interface Sealed {
  readonly nonce: Uint8Array;
  /** With its tag at the end. */
  readonly ciphertext: Uint8Array;
}

export function seal(key: Uint8Array, plaintext: Uint8Array, boundTo: string): Sealed {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(boundTo));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return { nonce, ciphertext };
}

/** Throws when key, nonce, text, tag or what it is bound to is not what it was sealed with. */
export function unseal(key: Uint8Array, { nonce, ciphertext }: Sealed, boundTo: string): Buffer {
  const textEnd = ciphertext.length - TAG_BYTES;
  if (nonce.length !== NONCE_BYTES || textEnd < 0) throw new Error("this is not a sealed text");
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(boundTo));
  decipher.setAuthTag(ciphertext.subarray(textEnd));
  return Buffer.concat([decipher.update(ciphertext.subarray(0, textEnd)), decipher.final()]);
}
