import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import { ensureKeyFile, openKeyFile } from "#lib/io/key-file.ts";
import { sealSecret } from "#lib/io/secret-envelope.ts";
import type { PoolVersion } from "../../../agents/io/pool-version.ts";
import { type FetchSecret, openSecretStore } from "../../../agents/io/secret-store.ts";

const folder = await mkdtemp(join(tmpdir(), "meridian-agent-secrets-"));
after(() => rm(folder, { recursive: true, force: true }));
const keyFile = join(folder, "key");
await ensureKeyFile(keyFile);
const keys = await openKeyFile(keyFile);
const planted = randomBytes(24).toString("hex");

const identity = { tenant: "demo", name: "db-password", revision: 2 };
const sealed = await sealSecret(planted, identity, keys);
const record = { ...identity, ...sealed, createdBy: "somebody", createdAtMs: 1 };
const gone: FetchSecret = () =>
  Promise.reject(new MeridianError("MERIDIAN_SECRET_UNAVAILABLE", "no federator is there"));
const needing = (secretRevisions: Record<string, number> | undefined): PoolVersion => ({
  tenant: "demo",
  functionName: "api",
  version: {
    version: 1,
    codeDigest: `sha256:${"0".repeat(64)}`,
    codeBytes: 1,
    manifest: Value.Parse(
      FunctionManifest,
      Value.Default(FunctionManifest, { name: "api", secrets: { DB_PASSWORD: "db-password" } }),
    ),
    ...(secretRevisions !== undefined && { secretRevisions }),
  },
});
const version = needing({ "db-password": 2 });
const unavailable = { code: "MERIDIAN_SECRET_UNAVAILABLE" };

test("what was kept is there after a restart with every federator gone, and in no file in clear", async () => {
  const place = join(folder, "kept");
  let asked = 0;
  const fetch: FetchSecret = async () => {
    asked += 1;
    return record;
  };
  const first = await openSecretStore(place, fetch, keys);
  await Promise.all([first.keep(identity), first.keep(identity), first.environmentOf(version)]);
  assert.equal(asked, 1, "asked for once, however many want it");
  await first.close();

  const second = await openSecretStore(place, gone, keys);
  assert.deepEqual(await second.environmentOf(version), { DB_PASSWORD: planted });
  for (const name of await readdir(place)) {
    const path = join(place, name);
    assert.ok(!(await readFile(path, "utf8")).includes(planted));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  }
  await second.drop("demo.db-password.2");
  await assert.rejects(second.environmentOf(version), unavailable);
});

test("a file that was left half, or belongs to another secret, is fetched again", async () => {
  const place = join(folder, "spoilt");
  const store = await openSecretStore(place, async () => record, keys);
  await store.keep(identity);
  const path = join(place, "demo.db-password.2.json");
  for (const text of ["", "{", JSON.stringify({ ...record, revision: 1 })]) {
    await writeFile(path, text);
    assert.deepEqual(await store.environmentOf(version), { DB_PASSWORD: planted });
    assert.deepEqual(JSON.parse(await readFile(path, "utf8")), record);
  }
});

test("without the key, with another one, or without a revision no instance starts, and the error has nothing of the value", async () => {
  const place = join(folder, "keyless");
  const otherFile = join(folder, "other-key");
  await ensureKeyFile(otherFile);
  const stores = [
    { store: await openSecretStore(place, async () => record, undefined), of: version },
    {
      store: await openSecretStore(place, async () => record, await openKeyFile(otherFile)),
      of: version,
    },
    { store: await openSecretStore(place, async () => record, keys), of: needing(undefined) },
  ];
  for (const { store, of } of stores)
    await assert.rejects(store.environmentOf(of), (error: MeridianError) => {
      assert.equal(error.code, "MERIDIAN_SECRET_UNAVAILABLE");
      return !JSON.stringify([error, error.message, error.stack]).includes(planted);
    });
});
