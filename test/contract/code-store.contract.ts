import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import type { ErrorCode } from "#lib/errors.ts";
import type { CodeStore } from "#lib/ports/code-store.ts";
import { digestOf, zipOf } from "../io/federator-api/archives.ts";

export interface OpenedStore {
  readonly store: CodeStore;
  /** Another process with the same archives, as after a restart. */
  readonly reopen: () => Promise<CodeStore>;
  /** Makes what is stored under the digest something else. */
  readonly damage: (digest: string, change: "flip-a-bit" | "cut-short") => Promise<void>;
  readonly advance: (elapsedMs: number) => Promise<void>;
}

/** An empty store that is closed with the test. */
export type OpenStore = (context: TestContext) => Promise<OpenedStore>;

const archiveOf = (text: string): Buffer =>
  zipOf([{ name: "index.mjs", content: `export const handler = () => ${JSON.stringify(text)};` }]);
const archive = archiveOf("one");
const digest = digestOf(archive);
const never = new AbortController().signal;
async function* pieces(bytes: Uint8Array, pieceBytes = 64): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
const put = (store: CodeStore, bytes: Uint8Array = archive, as = digestOf(bytes)) =>
  store.put(as, pieces(bytes), never);
const readAll = async (store: CodeStore): Promise<Buffer | undefined> => {
  const found = await store.read(digest);
  return found && (await buffer(found.stream));
};
const digests = async (store: CodeStore): Promise<string[]> =>
  (await store.list()).filter(({ isSpare }) => !isSpare).map((stored) => stored.digest);
const idleMs = async (of: CodeStore) => (await of.list()).find(({ isSpare }) => !isSpare)?.idleMs;
const failsWith = (code: ErrorCode) => (error: unknown) =>
  assert.equal(error instanceof Error && "code" in error ? error.code : error, code) === undefined;

/** What every driver of the `CodeStore` port promises. A reason to skip is that of a missing engine. */
export function codeStoreContract(
  name: string,
  open: OpenStore,
  skip: string | false = false,
): void {
  describe(name, { skip }, () => {
    intakeCases(open);
    damageCases(open);
    removalCases(open);
  });
}

function intakeCases(open: OpenStore): void {
  test("an archive comes out as it went in, after a restart too", async (context) => {
    const { store, reopen } = await open(context);
    assert.equal(await store.find(digest), undefined);
    assert.equal(await store.read(digest), undefined);
    assert.deepEqual(await store.filesOf(digest), []);
    assert.deepEqual(await store.list(), []);
    const stored = await put(store);
    assert.deepEqual(
      [stored.digest, stored.bytes, stored.files],
      [digest, archive.length, ["index.mjs"]],
    );
    for (const one of [store, await reopen()]) {
      assert.equal((await one.find(digest))?.bytes, archive.length);
      assert.deepEqual(await readAll(one), archive);
      assert.deepEqual(await one.filesOf(digest), ["index.mjs"]);
      assert.deepEqual(await digests(one), [digest]);
      assert.equal(await one.check(digest), true);
    }
  });

  test("what is not what it should be is refused, and nothing of it is there", async (context) => {
    const { store } = await open(context);
    const other = digestOf(archiveOf("other"));
    const slip = zipOf([{ name: "../escaped.js", content: "1" }]);
    await assert.rejects(put(store, archive, other), failsWith("MERIDIAN_CODE_DIGEST_MISMATCH"));
    await assert.rejects(put(store, Buffer.from("no zip")), failsWith("MERIDIAN_CODE_INVALID"));
    await assert.rejects(put(store, slip), failsWith("MERIDIAN_CODE_INVALID"));
    const huge = pieces(Buffer.alloc(CODE_BYTES_MAX + 1), 1 << 20);
    await assert.rejects(store.put(digest, huge, never), failsWith("MERIDIAN_CODE_TOO_LARGE"));
    assert.deepEqual(await store.list(), []);
    for (const missing of [digest, other]) assert.equal(await store.find(missing), undefined);
  });

  test("a sender that breaks off, and one that is told to stop, leave nothing", async (context) => {
    const { store } = await open(context);
    async function* breaksOff(): AsyncGenerator<Uint8Array> {
      yield archive.subarray(0, 10);
      throw new Error("the line was cut");
    }
    await assert.rejects(store.put(digest, breaksOff(), never), /the line was cut/);
    const stopping = AbortSignal.abort(new Error("shutting down"));
    await assert.rejects(store.put(digest, pieces(archive), stopping), /shutting down/);
    assert.deepEqual(await store.list(), []);
    assert.equal(await store.read(digest), undefined);
  });

  test("the same archive sent by many at once is there once, whole", async (context) => {
    const { store } = await open(context);
    await Promise.all(Array.from({ length: 6 }, () => put(store)));
    assert.deepEqual(await digests(store), [digest]);
    assert.deepEqual(await readAll(store), archive);
  });

  test("an upload too many is told to come again", async (context) => {
    const { store } = await open(context);
    const gate = Promise.withResolvers<void>();
    async function* slowly(): AsyncGenerator<Uint8Array> {
      await gate.promise;
      yield archive;
    }
    const sending = Array.from({ length: 8 }, () => store.put(digest, slowly(), never));
    await assert.rejects(put(store), failsWith("MERIDIAN_OVERLOADED"));
    gate.resolve();
    await Promise.all(sending);
    await put(store);
  });
}

function damageCases(open: OpenStore): void {
  for (const change of ["flip-a-bit", "cut-short"] as const)
    test(`damaged code (${change}) is never handed on, and its place is free again`, async (context) => {
      const { store, damage } = await open(context);
      await put(store);
      await damage(digest, change);
      await assert.rejects(store.read(digest), failsWith("MERIDIAN_CODE_DAMAGED"));
      assert.equal(await store.find(digest), undefined);
      assert.deepEqual(await digests(store), []);
      await put(store);
      assert.deepEqual(await readAll(store), archive);
      assert.deepEqual(await digests(store), [digest]);
    });

  test("the files of damaged code are not told", async (context) => {
    const { store, damage } = await open(context);
    await put(store);
    await damage(digest, "flip-a-bit");
    const told = await store.filesOf(digest).catch(() => []);
    assert.deepEqual(told, []);
  });
}

function removalCases(open: OpenStore): void {
  test("what nobody asked for since is removed; what somebody did ask for is kept", async (context) => {
    const { store } = await open(context);
    const staged = await put(store);
    const [listed] = await store.list();
    assert.ok(listed !== undefined && listed.claim === staged.claim);
    const asked = await store.find(digest);
    assert.ok(asked !== undefined);
    assert.equal(await store.remove(digest, listed.claim), false);
    assert.deepEqual(await readAll(store), archive);

    assert.equal(await store.remove(digest, asked.claim), true);
    assert.equal(await store.find(digest), undefined);
    await put(store);
    assert.equal(await store.remove(digest, asked.claim), false);
    assert.deepEqual(await readAll(store), archive);
  });

  test("an archive's idleness begins when it is first seen, and again when it is asked for", async (context) => {
    const { store, reopen, advance } = await open(context);
    await put(store);
    assert.equal(await idleMs(store), 0);
    await advance(600_000);
    assert.equal(await idleMs(store), 600_000);
    const again = await reopen();
    assert.equal(await idleMs(again), 0);
    await advance(600_000);
    assert.equal(await idleMs(again), 600_000);
    await again.find(digest);
    assert.equal(await idleMs(again), 0);
  });
}
