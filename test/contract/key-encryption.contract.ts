import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";

/** What every driver keeps: `open` gives the same keys each time, `openOther` others. */
export function keyEncryptionContract(
  name: string,
  open: () => Promise<KeyEncryption>,
  openOther: () => Promise<KeyEncryption>,
): void {
  const dataKey = randomBytes(32);

  test(`${name}: what was wrapped is unwrapped, also by another process with the same keys`, async () => {
    const wrapped = await (await open()).wrap(dataKey, "secret demo/a/1");
    assert.ok(!Buffer.from(wrapped.wrappedKey).includes(dataKey));
    const unwrapped = await (await open()).unwrap(wrapped, "secret demo/a/1");
    assert.deepEqual(Buffer.from(unwrapped), dataKey);
  });

  test(`${name}: the same key is never wrapped to the same bytes`, async () => {
    const keys = await open();
    const [one, other] = await Promise.all([keys.wrap(dataKey, "x"), keys.wrap(dataKey, "x")]);
    assert.notDeepEqual(one.wrappedKey, other.wrappedKey);
  });

  test(`${name}: bound to something else, with one bit changed, cut short or by other keys it opens nowhere`, async () => {
    const keys = await open();
    const wrapped = await keys.wrap(dataKey, "secret demo/a/1");
    await assert.rejects(keys.unwrap(wrapped, "secret acme/a/1"));
    await assert.rejects((await openOther()).unwrap(wrapped, "secret demo/a/1"));
    await assert.rejects(keys.unwrap({ ...wrapped, keyId: "unknown" }, "secret demo/a/1"));
    for (let index = 0; index < wrapped.wrappedKey.length; index += 7) {
      const wrappedKey = Buffer.from(wrapped.wrappedKey);
      wrappedKey[index] = (wrappedKey[index] ?? 0) ^ 1;
      await assert.rejects(keys.unwrap({ ...wrapped, wrappedKey }, "secret demo/a/1"));
      const short = { ...wrapped, wrappedKey: wrapped.wrappedKey.subarray(0, index) };
      await assert.rejects(keys.unwrap(short, "secret demo/a/1"));
    }
  });
}
