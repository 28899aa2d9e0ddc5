import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ensureKeyFile, openKeyFile } from "#lib/io/key-file.ts";
import { openSecret, sealSecret } from "#lib/io/secret-envelope.ts";
import { keyEncryptionContract } from "./key-encryption.contract.ts";

const folder = await mkdtemp(join(tmpdir(), "meridian-keys-"));
after(() => rm(folder, { recursive: true, force: true }));

const openAt = async (name: string) => {
  await ensureKeyFile(join(folder, name));
  return openKeyFile(join(folder, name));
};
keyEncryptionContract(
  "key file",
  () => openAt("keys"),
  () => openAt("other"),
);

test("a new file is its owner's alone, and one that is there stays as it is", async () => {
  const path = join(folder, "fresh");
  await ensureKeyFile(path);
  const text = await readFile(path, "utf8");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await ensureKeyFile(path);
  assert.equal(await readFile(path, "utf8"), text);
});

test("with a new key above the old ones, what is old is read and what is new is written with the new one", async () => {
  const path = join(folder, "rotated");
  await ensureKeyFile(path);
  const identity = { tenant: "demo", name: "db-password", revision: 1 };
  const before = await sealSecret("opened", identity, await openKeyFile(path));
  const old = await readFile(path, "utf8");
  await writeFile(path, `# newest first\n\nsecond ${randomBytes(32).toString("base64")}\n${old}`);
  const rotated = await openKeyFile(path);
  assert.equal(await openSecret(identity, before, rotated), "opened");
  assert.equal((await sealSecret("x", identity, rotated)).keyId, "second");
});

const key = randomBytes(32).toString("base64");
const broken = [
  { text: "", says: /holds no key/ },
  { text: `a ${key.slice(4)}`, says: /line 1/ },
  { text: `a ${key}\nB ${key}`, says: /line 2/ },
  { text: `a ${key}\na ${key}`, says: /two keys called a/ },
];
for (const { text, says } of broken)
  test(`a file of keys that is none is refused (${says.source}), and the message has nothing of it`, async () => {
    const path = join(folder, "broken");
    await writeFile(path, text);
    await assert.rejects(openKeyFile(path), (error: Error) => {
      assert.match(error.message, says);
      return !error.message.includes(key.slice(4, 20));
    });
  });

test("an envelope opens only as the secret and revision it was sealed as", async () => {
  const keys = await openAt("keys");
  const identity = { tenant: "demo", name: "db-password", revision: 2 };
  const envelope = await sealSecret("pässword ☃", identity, keys);
  assert.equal(await openSecret(identity, envelope, keys), "pässword ☃");
  for (const other of [
    { ...identity, tenant: "acme" },
    { ...identity, name: "other" },
    { ...identity, revision: 1 },
  ])
    await assert.rejects(openSecret(other, envelope, keys));
});
