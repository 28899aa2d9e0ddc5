import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import { KEY_BYTES, seal, unseal } from "./aes-gcm.ts";
import { writeAtomically } from "./write-atomically.ts";

/** `ID BASE64`, one key a line, the newest first; empty lines and those that begin with # say nothing. */
const LINE = /^([a-z0-9][a-z0-9-]{0,62}) ([A-Za-z0-9+/]{43}=)$/;
const NONCE_BYTES = 12;

/** Keys from a file that every federator and agent can read and nobody else can. To rotate, put a new line above the others. */
export async function openKeyFile(path: string): Promise<KeyEncryption> {
  const keys = parseKeys(await readFile(path, "utf8"), path);
  const [newest] = keys;
  if (newest === undefined) throw new Error(`${path} holds no key`);
  return {
    wrap: async (dataKey, boundTo) => {
      const [keyId, key] = newest;
      const { nonce, ciphertext } = seal(key, dataKey, boundTo);
      return { keyId, wrappedKey: Buffer.concat([nonce, ciphertext]) };
    },
    unwrap: async ({ keyId, wrappedKey }, boundTo) => {
      const [, key] = keys.find(([id]) => id === keyId) ?? [];
      if (key === undefined) throw new Error(`${path} has no key ${keyId}`);
      const nonce = wrappedKey.subarray(0, NONCE_BYTES);
      return unseal(key, { nonce, ciphertext: wrappedKey.subarray(NONCE_BYTES) }, boundTo);
    },
  };
}

/** A file with one new key, readable by its owner alone; a file that is there already stays as it is. */
export async function ensureKeyFile(path: string): Promise<void> {
  const isThere = await readFile(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return false;
    },
  );
  if (isThere) return;
  const keyId = `k-${randomBytes(4).toString("hex")}`;
  await writeAtomically(path, `${keyId} ${randomBytes(KEY_BYTES).toString("base64")}\n`);
}

/** Mistakes are named by their line, never by what stands there. */
function parseKeys(text: string, path: string): readonly (readonly [string, Buffer])[] {
  const keys = text.split("\n").flatMap((line, index): [string, Buffer][] => {
    if (line.trim() === "" || line.startsWith("#")) return [];
    const [, keyId, base64] = LINE.exec(line.trim()) ?? [];
    if (keyId === undefined || base64 === undefined)
      throw new Error(`${path}, line ${index + 1}: not a key's id and its 32 bytes as base64`);
    return [[keyId, Buffer.from(base64, "base64")]];
  });
  const ids = keys.map(([keyId]) => keyId);
  const twice = ids.find((keyId, index) => ids.indexOf(keyId) !== index);
  if (twice !== undefined) throw new Error(`${path} has two keys called ${twice}`);
  return keys;
}
