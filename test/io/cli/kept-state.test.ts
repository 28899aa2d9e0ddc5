import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  keptCredentials,
  refuseLostCatalog,
  settleKeyEncryptionKey,
} from "../../../cli/up/io/kept-state.ts";

test("a new folder, and one with its catalog, may start", async (t) => {
  const state = await stateFolder(t);
  refuseLostCatalog(state, false);
  await mkdir(join(state, "zones", "eu-west", "federator"), { recursive: true });
  await mkdir(join(state, "catalog"));
  await writeFile(join(state, "catalog", "catalog.sqlite"), "");
  refuseLostCatalog(state, false);
});

test("a catalog that is gone while zones hold copies is refused, unless its loss is accepted", async (t) => {
  const state = await stateFolder(t);
  await mkdir(join(state, "zones", "eu-west", "federator"), { recursive: true });
  assert.throws(() => refuseLostCatalog(state, false), /eu-west .*--accept-catalog-loss/);
  refuseLostCatalog(state, true);
});

test("the first start makes a key-encryption key, and every later one keeps it", async (t) => {
  const state = await stateFolder(t);
  await settleKeyEncryptionKey(state, false);
  const key = await readFile(join(state, "key-encryption-key"), "utf8");
  await mkdir(join(state, "catalog"));
  await writeFile(join(state, "catalog", "choice.json"), "{}");
  await settleKeyEncryptionKey(state, false);
  await settleKeyEncryptionKey(state, true);
  assert.equal(await readFile(join(state, "key-encryption-key"), "utf8"), key);
});

for (const path of ["catalog/choice.json", "catalog/catalog.sqlite", "zones/here/federator/log"])
  test(`a key-encryption key that is gone beside ${path} is refused, unless a new one is asked for`, async (t) => {
    const state = await stateFolder(t);
    await mkdir(dirname(join(state, path)), { recursive: true });
    await writeFile(join(state, path), "");
    await assert.rejects(
      settleKeyEncryptionKey(state, false),
      /key-encryption-key is gone.*put the file back.*--new-key-encryption-key.*loses every secret/,
    );
    await assert.rejects(readFile(join(state, "key-encryption-key")), { code: "ENOENT" });
    await settleKeyEncryptionKey(state, true);
    assert.match(await readFile(join(state, "key-encryption-key"), "utf8"), /^k-/);
  });

test("credentials that cannot be read are put aside, and it is said", async (t) => {
  const state = await stateFolder(t);
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  assert.equal(await keptCredentials(state, say), undefined);
  assert.deepEqual(said, []);
  await writeFile(join(state, "credentials.json"), "{bad");
  assert.equal(await keptCredentials(state, say), undefined);
  assert.match(said.join(), /new keys/);
  assert.equal(await readFile(join(state, "credentials.json.broken"), "utf8"), "{bad");
});

async function stateFolder(t: TestContext): Promise<string> {
  const state = await mkdtemp(join(tmpdir(), "kept-state-"));
  t.after(() => rm(state, { recursive: true, force: true }));
  return state;
}
