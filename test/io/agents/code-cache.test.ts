import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { pino } from "pino";
import { ZipFile } from "yazl";
import { MeridianError } from "#lib/errors.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { openCodeCache } from "../../../agents/io/code-cache.ts";
import { fetchCode } from "../../../agents/io/fetch-code.ts";
import { eventually } from "./support/agent-world.ts";

const log = pino({ level: "silent" });
const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const isUnavailable = (error: unknown) =>
  error instanceof MeridianError && error.code === "MERIDIAN_CODE_UNAVAILABLE";
const isInvalid = (error: unknown) =>
  error instanceof MeridianError && error.code === "MERIDIAN_CODE_INVALID";

test("code is fetched once for all who ask, unpacked whole, and found again after a restart", async (t) => {
  const archive = await zip({ "index.mjs": "export {}", "deep/run.sh": "#!/bin/sh" }, 0o755);
  const world = await startWorld(t, archive);
  const cache = await world.open();
  const [one, two] = await Promise.all([
    cache.hold(world.digest, archive.length),
    cache.hold(world.digest, archive.length),
  ]);
  assert.equal(one.directory, two.directory);
  assert.equal(world.fetches(), 1);
  assert.equal(await readFile(join(one.directory, "index.mjs"), "utf8"), "export {}");
  assert.equal((await stat(join(one.directory, "deep/run.sh"))).mode & 0o777, 0o555);

  const again = await world.open();
  assert.equal(again.has(world.digest), true);
  assert.equal((await again.hold(world.digest, archive.length)).directory, one.directory);
  assert.equal(world.fetches(), 1);
});

test("CommonJS stays CommonJS below a project of ES modules", async (t) => {
  const archive = await zip({ "index.js": "exports.handler = () => 42;" });
  const project = await temporary(t);
  await writeFile(join(project, "package.json"), '{"type":"module"}');
  const fetch = (_digest: string, _bytesMax: number, path: string) => writeFile(path, archive);
  const cache = await openCodeCache(
    join(project, "state/code"),
    1_000_000,
    fetch,
    systemClock,
    log,
  );
  const { directory } = await cache.hold(digestOf(archive), archive.length);
  const module: unknown = await import(pathToFileURL(join(directory, "index.js")).href);
  assert.equal((module as { handler: () => number }).handler(), 42);
});

test("what is not held makes room for newer code; what is held stays", async (t) => {
  const archives = await Promise.all(["1", "2", "3"].map((text) => zip({ f: text.repeat(100) })));
  const byDigest = new Map(archives.map((archive) => [digestOf(archive), archive]));
  const world = await startWorld(t, archives[0] ?? Buffer.alloc(0), byDigest);
  const cache = await world.open(150);
  const [first = "", second = "", third = ""] = [...byDigest.keys()];
  const held = await cache.hold(first, 10_000);
  (await cache.hold(second, 10_000)).release();
  await cache.hold(third, 10_000);
  assert.equal(cache.has(first), true);
  assert.equal(cache.has(second), false);
  assert.equal(await readFile(join(held.directory, "f"), "utf8"), "1".repeat(100));
});

const tamperings: readonly [string, (directory: string) => Promise<void>][] = [
  ["overwritten", (directory) => replaceText(join(directory, "index.mjs"), "evil!!!!!")],
  ["added to", (directory) => writeFile(join(directory, "more.mjs"), "export {}")],
  ["deleted", (directory) => rm(directory, { recursive: true })],
];
for (const [what, tamper] of tamperings)
  test(`code that was ${what} on disk is unpacked anew, and goes with its last holder`, async (t) => {
    const archive = await zip({ "index.mjs": "export {}" });
    const world = await startWorld(t, archive);
    const cache = await world.open();
    const before = await cache.hold(world.digest, archive.length);
    await tamper(before.directory);
    const after = await cache.hold(world.digest, archive.length);
    assert.notEqual(after.directory, before.directory);
    assert.equal(await readFile(join(after.directory, "index.mjs"), "utf8"), "export {}");
    assert.deepEqual(await readdir(after.directory), ["index.mjs"]);
    before.release();
    await eventually(
      async () => !(await readdir(world.folder)).includes(basename(before.directory)),
    );

    after.release();
    await tamper(after.directory);
    const restarted = await world.open();
    const last = await restarted.hold(world.digest, archive.length);
    assert.equal(await readFile(join(last.directory, "index.mjs"), "utf8"), "export {}");
  });

/** With the same size and the same time of change, as far as a program can set it. */
async function replaceText(path: string, text: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  await chmod(path, 0o644);
  await writeFile(path, text);
  await utimes(path, atime, mtime);
}

const hostile: readonly [string, Buffer | Promise<Buffer>][] = [
  ["is no archive", Buffer.from("not a zip file at all, only words")],
  ["climbs out", zip({ "aa/evil": "x" }).then((bytes) => renamed(bytes, "aa/evil", "../evil"))],
  ["is absolute", zip({ "aa/evil": "x" }).then((bytes) => renamed(bytes, "aa/evil", "/tmp/ev"))],
  ["holds a link", zip({ link: "/etc/passwd" }, 0o120_777)],
  ["holds a device", zip({ device: "" }, 0o020_666)],
  [
    "holds an entry twice",
    zip({ aaa: "x", bbb: "y" }).then((bytes) => renamed(bytes, "bbb", "aaa")),
  ],
  ["has a name no file system takes", zip({ [`f${"x".repeat(5_000)}`]: "x" })],
  ["has a folder no file system takes", zip({ [`${"x".repeat(300)}/f`]: "x" })],
  ["is cut off", zip({ a: "x".repeat(1_000) }).then((bytes) => bytes.subarray(0, -40))],
];
for (const [what, archive] of hostile)
  test(`an archive that ${what} is refused and leaves nothing`, async (t) => {
    const bytes = await archive;
    const world = await startWorld(t, bytes);
    const cache = await world.open();
    await assert.rejects(cache.hold(world.digest, bytes.length), isInvalid);
    assert.equal(cache.has(world.digest), false);
    assert.deepEqual((await readdir(world.folder)).toSorted(), ["arriving", "package.json"]);
    assert.deepEqual(await readdir(join(world.folder, "arriving")), []);
  });

test("an archive that is damaged is not fetched for each call, and is tried again in time", async (t) => {
  const archive = await zip({ a: "x" });
  const world = await startWorld(t, archive);
  const cache = await world.open();
  world.stored.set(world.digest, Buffer.from("rotten"));
  for (let call = 0; call < 50; call += 1)
    await assert.rejects(cache.hold(world.digest, archive.length), isInvalid);
  assert.equal(world.fetches(), 1);
  const [trouble] = cache.troubles();
  assert.deepEqual(
    { ...trouble, detail: undefined, retryInMs: undefined },
    {
      digest: world.digest,
      code: "MERIDIAN_CODE_INVALID",
      detail: undefined,
      failures: 1,
      retryInMs: undefined,
    },
  );
  assert.ok((trouble?.retryInMs ?? 0) > 0);

  world.stored.set(world.digest, archive);
  world.later(30_000);
  (await cache.hold(world.digest, archive.length)).release();
  assert.deepEqual(cache.troubles(), []);
});

test("code that no store has is asked for less and less often", async (t) => {
  const archive = await zip({ a: "x" });
  const world = await startWorld(t, archive);
  const cache = await world.open();
  world.stored.set(world.digest, new MeridianError("MERIDIAN_CODE_UNAVAILABLE", "No store."));
  // A call every 100 ms for two minutes.
  for (let call = 0; call < 1_200; call += 1) {
    await assert.rejects(cache.hold(world.digest, archive.length), isUnavailable);
    world.later(100);
  }
  assert.ok(world.fetches() <= 12, `${world.fetches()} fetches`);
});

const diskFull = (): Error =>
  Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
  });

test("on a full disk code that nothing runs from makes room", async (t) => {
  const archives = await Promise.all(["1", "2"].map((text) => zip({ f: text.repeat(100) })));
  const [old, wanted] = archives.map(digestOf);
  assert.ok(old !== undefined && wanted !== undefined);
  const world = await startWorld(t, archives[0] ?? Buffer.alloc(0));
  const cache = await world.open();
  (await cache.hold(old, 1_000)).release();
  world.stored.set(wanted, () => {
    if (cache.has(old)) throw diskFull();
    return archives[1] ?? assert.fail();
  });
  (await cache.hold(wanted, 1_000)).release();
  assert.equal(cache.has(wanted), true);
});

test("on a disk that is full of code in use a call is told so, and what runs goes on", async (t) => {
  const archive = await zip({ f: "x" });
  const world = await startWorld(t, archive);
  const cache = await world.open();
  const held = await cache.hold(world.digest, 1_000);
  const wanted = digestOf(Buffer.from("other"));
  world.stored.set(wanted, diskFull());
  await assert.rejects(cache.hold(wanted, 1_000), (error) => {
    assert.ok(isUnavailable(error));
    assert.match(String(error), /disk of this cluster is full/);
    return true;
  });
  assert.equal(world.fetches(), 2);
  assert.equal(await readFile(join(held.directory, "f"), "utf8"), "x");
  assert.deepEqual(await readdir(join(world.folder, "arriving")), []);
});

test("code comes from this zone's store, else from its federator, else from any that has it whole", async (t) => {
  const archive = await zip({ a: "x" });
  const digest = digestOf(archive);
  const folder = await temporary(t);
  const target = join(folder, "archive.zip");
  const broken = await startFederator(t, "us-east", Buffer.from("something else"));
  const whole = await startFederator(t, "ap-south", archive);
  const client = internalClient("token");
  t.after(() => client.close());
  const fetchFrom = (endpoints: readonly (typeof broken)[]) =>
    fetchCode(
      {
        zone: "us-east",
        codeDirectory: folder,
        client,
        discovery: { list: () => Promise.resolve(endpoints) },
      },
      digest,
      archive.length,
      target,
      AbortSignal.timeout(5_000),
    );

  await assert.rejects(fetchFrom([]), isUnavailable);
  await assert.rejects(fetchFrom([broken]), isUnavailable);
  await fetchFrom([whole, broken]);
  assert.deepEqual(await readFile(target), archive);
  await writeFile(join(folder, `${digest}.zip`), archive);
  await fetchFrom([broken]);
  assert.deepEqual(await readFile(target), archive);
  await writeFile(join(folder, `${digest}.zip`), "rotten");
  await fetchFrom([whole]);
  assert.deepEqual(await readFile(target), archive);
});

async function startFederator(t: TestContext, zone: string, body: Buffer) {
  const server = createServer((_request, response) => response.end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const urls = { internal: url, admin: url };
  return { program: "federator" as const, zone, pid: 1, bootId: "boot", urls };
}

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "code-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startWorld(
  t: TestContext,
  archive: Buffer,
  archives: ReadonlyMap<string, Buffer> = new Map([[digestOf(archive), archive]]),
) {
  const folder = await temporary(t);
  let fetches = 0;
  let nowMs = 0;
  // No two moments are the same.
  const clock = { nowMs: () => (nowMs += 1) };
  const stored = new Map<string, Buffer | Error | (() => Buffer)>(archives);
  return {
    folder,
    /** What the store has from now on: an archive, or an error that is met with it. */
    stored,
    later: (ms: number) => (nowMs += ms),
    digest: digestOf(archive),
    fetches: () => fetches,
    open: (bytesMax = 1_000_000) =>
      openCodeCache(
        folder,
        bytesMax,
        async (digest, _bytesMax, path) => {
          fetches += 1;
          const found = stored.get(digest) ?? Buffer.alloc(0);
          if (found instanceof Error) throw found;
          await writeFile(path, Buffer.isBuffer(found) ? found : found());
        },
        clock,
        log,
      ),
  };
}

async function zip(files: Readonly<Record<string, string>>, mode = 0o644): Promise<Buffer> {
  const archive = new ZipFile();
  for (const [name, text] of Object.entries(files))
    archive.addBuffer(Buffer.from(text), name, { mode, compress: false });
  archive.end();
  return buffer(archive.outputStream);
}

/** The writer refuses such names; both headers are changed behind its back. */
function renamed(bytes: Buffer, from: string, to: string): Buffer {
  assert.equal(from.length, to.length);
  return Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
}
