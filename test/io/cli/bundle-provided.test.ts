import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fromBufferPromise } from "yauzl";
import { bundleFunction } from "../../../cli/bundle/bundle-function.ts";
import { zipFiles } from "../../../cli/bundle/zip-files.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const BUNDLE = { mayBundle: true };
const SCRIPT = "#!/bin/sh\nexec ./program\n";
const provided = { runtime: "provided", name: "own" };

interface PackedFile {
  readonly text: string;
  readonly isExecutable: boolean;
}

test("a folder with a program of its own is packed as it is, and the program stays executable", async (context) => {
  const folder = await folderOf(context, {
    bootstrap: { text: SCRIPT, isExecutable: true },
    "lib/words.txt": { text: "hello", isExecutable: false },
  });
  const { zip, manifest, warnings } = await bundleFunction(folder, provided, BUNDLE);
  assert.deepEqual(await modesIn(zip), { bootstrap: 0o755, "lib/words.txt": 0o644 });
  assert.equal(manifest.runtime, "provided");
  assert.deepEqual(warnings, []);
});

test("its handler may be any word", async (context) => {
  const folder = await folderOf(context, { bootstrap: { text: SCRIPT, isExecutable: true } });
  const { manifest } = await bundleFunction(folder, { ...provided, handler: "greet" }, BUNDLE);
  assert.equal(manifest.handler, "greet");
});

const refused = [
  ["no program", undefined, "MERIDIAN_HANDLER_MISSING", /no file bootstrap at its root/],
  [
    "a program that nobody may run",
    { text: SCRIPT, isExecutable: false },
    "MERIDIAN_CODE_INVALID",
    /bootstrap is not executable: .*chmod \+x/,
  ],
  [
    "a program for another system",
    { text: "MZ\x90\0", isExecutable: true },
    "MERIDIAN_CODE_INVALID",
    /bootstrap is a program for Windows/,
  ],
] as const;

for (const [sentence, bootstrap, code, says] of refused) {
  test(`a folder with ${sentence} is refused`, async (context) => {
    const folder = await folderOf(context, bootstrap === undefined ? {} : { bootstrap });
    await assertRefused(folder, code, says);
  });

  test(`an archive with ${sentence} is refused`, async (context) => {
    const archive = join(await temporaryFolder(context), "own.zip");
    const entry = bootstrap ?? { text: "hello", isExecutable: true };
    const path = bootstrap === undefined ? "words.txt" : "bootstrap";
    const { text, isExecutable } = entry;
    await writeFile(archive, await zipFiles([{ path, bytes: Buffer.from(text), isExecutable }]));
    await assertRefused(archive, code, says);
  });
}

test("what is no archive is refused with its name", async (context) => {
  const archive = join(await temporaryFolder(context), "own.zip");
  await writeFile(archive, "not a zip");
  await assertRefused(archive, "MERIDIAN_CODE_INVALID", /own\.zip cannot be read as a zip/);
});

test("for Node and Python a handler without export is refused", async (context) => {
  const folder = await folderOf(context, { "index.mjs": { text: "", isExecutable: false } });
  await assertRefused(folder, "MERIDIAN_MANIFEST_INVALID", /not of the form file\.export/, {
    handler: "index",
  });
});

async function assertRefused(
  source: string,
  code: string,
  says: RegExp,
  flags: Readonly<Record<string, string>> = provided,
): Promise<void> {
  await assert.rejects(bundleFunction(source, flags, BUNDLE), { code, message: says });
}

async function folderOf(
  context: TestContext,
  files: Readonly<Record<string, PackedFile>>,
): Promise<string> {
  const folder = join(await temporaryFolder(context), "own");
  await mkdir(folder);
  for (const [path, { text, isExecutable }] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
    await chmod(join(folder, path), isExecutable ? 0o755 : 0o644);
  }
  return folder;
}

async function modesIn(zip: Uint8Array): Promise<Record<string, number>> {
  const modes: Record<string, number> = {};
  for await (const entry of (await fromBufferPromise(Buffer.from(zip))).eachEntry())
    modes[entry.fileName] = (entry.externalFileAttributes >>> 16) & 0o777;
  return modes;
}
