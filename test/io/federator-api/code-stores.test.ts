import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";
import { after, before, describe, type TestContext, test } from "node:test";
import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import type { CodeStore } from "#lib/ports/code-store.ts";
import type { CodeStoreConfig } from "../../../federator/code-store-config.ts";
import { openDirectoryCodeStore } from "../../../federator/io/code/directory-code-store.ts";
import { openCodeStore } from "../../../federator/io/code/open-code-store.ts";
import { findEngine } from "../../engines/find-engine.ts";
import { type RunningVersitygw, startVersitygw } from "../../engines/start-versitygw.ts";
import { manualClock } from "../catalog/support/manual-clock.ts";
import { digestOf, zipOf } from "./archives.ts";

const log = pino({ level: "silent" });
const engine = await findEngine("versitygw");
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-stores-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const archive = zipOf([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
const digest = digestOf(archive);
const never = new AbortController().signal;
async function* body(): AsyncGenerator<Uint8Array> {
  yield archive;
}
async function readAll(store: CodeStore): Promise<Buffer | undefined> {
  const found = await store.read(digest);
  return found && (await buffer(found.stream));
}

test("killed at any moment, a store holds every archive it acknowledged, no half of one, and no garbage", async () => {
  const directory = join(folder, "killed");
  const putting = join(import.meta.dirname, "support/put-code-process.ts");
  const acknowledged: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    const child = spawn(process.execPath, [putting, directory, String(round)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface(child.stdout);
    // Somewhere in the middle of the archive after the last that was acknowledged.
    let left = 1 + round;
    lines.on("line", (line) => {
      acknowledged.push(line);
      left -= 1;
      if (left === 0) setTimeout(() => child.kill("SIGKILL"), round);
    });
    await once(child, "exit");
  }
  const store = await openDirectoryCodeStore({
    directory,
    zone: "eu-west",
    clock: systemClock,
    log,
  });
  assert.deepEqual(await readdir(join(directory, "incoming")), []);
  assert.deepEqual(await readdir(join(directory, "rotten")), []);
  const held = (await store.list()).map((stored) => stored.digest);
  for (const one of acknowledged) assert.ok(held.includes(one), `${one} was acknowledged`);
  for (const one of held)
    assert.equal(digestOf(await readFile(join(directory, `${one}.zip`))), one);
  assert.ok(acknowledged.length >= 6);
});

test("a bucket needs credentials, and one that is away does not keep a federator from starting", async () => {
  const config: CodeStoreConfig = {
    kind: "s3",
    endpoint: "http://127.0.0.1:9",
    region: "us-east-1",
    bucket: "code",
    prefix: "",
    forcePathStyle: true,
  };
  const ground = { zone: "eu-west", codeDirectory: join(folder, "away"), clock: systemClock, log };
  await assert.rejects(openCodeStore(config, ground), /needs credentialsFile/);
  const credentialsFile = join(folder, "away.json");
  await writeFile(credentialsFile, JSON.stringify({ accessKeyId: "a", secretAccessKey: "b" }));
  const store = await openCodeStore({ ...config, credentialsFile }, ground);
  const isUnavailable = { code: "MERIDIAN_CODE_UNAVAILABLE" };
  await assert.rejects(store.find(digest), isUnavailable);
  await assert.rejects(store.read(digest), isUnavailable);
  await assert.rejects(store.put(digest, body(), never), isUnavailable);
  await store.close();
});

describe(
  "federators that share a bucket",
  { skip: engine.kind === "missing" ? engine.reason : false },
  () => {
    let s3: RunningVersitygw;
    before(async () => {
      assert.ok(engine.kind === "found");
      s3 = await startVersitygw(engine.path, ["code"]);
      await writeFile(join(folder, "id"), `${s3.accessKeyId}\n`);
      await writeFile(join(folder, "secret"), `${s3.secretAccessKey}\n`);
    });
    after(() => s3.stop());

    let opened = 0;
    const open = async (context: TestContext, zone: string, prefix: string) => {
      opened += 1;
      const clock = manualClock();
      const config: CodeStoreConfig = {
        kind: "s3",
        endpoint: s3.endpoint,
        region: "us-east-1",
        bucket: "code",
        prefix,
        accessKeyIdFile: join(folder, "id"),
        secretAccessKeyFile: join(folder, "secret"),
        forcePathStyle: true,
        zonesHeld: ["eu-west", "us-east"],
      };
      const codeDirectory = join(folder, `shared-${opened}`);
      const store = await openCodeStore(config, { zone, codeDirectory, clock, log });
      context.after(store.close);
      return { store, clock };
    };

    test("what one of them is asked for, another cannot take away", async (context) => {
      const [{ store: eu, clock }, { store: us }] = [
        await open(context, "eu-west", "asked/"),
        await open(context, "us-east", "asked/"),
      ];
      assert.deepEqual(eu.place, us.place);
      await eu.put(digest, body(), never);
      await us.list();
      await clock.advance(3_600_000);
      const [old] = await eu.list();
      assert.ok(old !== undefined && old.idleMs === 3_600_000);
      // The other zone answers a deploy in the moment between the look and the removal.
      assert.ok((await us.find(digest)) !== undefined);
      await eu.remove(digest, old.claim);
      assert.deepEqual(await readAll(us), archive);
      assert.deepEqual(await readAll(eu), archive);
      assert.equal((await eu.list()).length, 1);
    });

    test("copies that were made for who asked go, all but one", async (context) => {
      const { store, clock } = await open(context, "eu-west", "copies/");
      await store.put(digest, body(), never);
      for (let hour = 0; hour < 3; hour += 1) {
        await clock.advance(3_600_000);
        await store.find(digest);
      }
      const all = await store.list();
      assert.deepEqual(
        all.map(({ isSpare }) => isSpare),
        [false, true, true, true],
      );
      for (const { claim, isSpare } of all) if (isSpare) await store.remove(digest, claim);
      assert.equal((await store.list()).length, 1);
      assert.deepEqual(await readAll(store), archive);
    });

    test("a damaged copy is passed over for a sound one", async (context) => {
      const { store, clock } = await open(context, "eu-west", "sound/");
      await store.put(digest, body(), never);
      await clock.advance(3_600_000);
      await store.find(digest);
      const objects = join(s3.buckets, "code/sound", digest.slice("sha256:".length));
      const newest = (await readdir(objects)).toSorted().at(-1) ?? assert.fail("there are copies");
      await writeFile(join(objects, newest), "rotten");
      assert.deepEqual(await readAll(store), archive);
    });
  },
);
