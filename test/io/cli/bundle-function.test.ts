import assert from "node:assert/strict";
import { chmod, mkdir, rename, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { fromBufferPromise } from "yauzl";
import { type BundledFunction, bundleFunction } from "../../../cli/bundle/bundle-function.ts";
import { UsageError } from "../../../cli/failures.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const BUNDLE = { mayBundle: true };
const HANDLER = "export const handler = (event) => event;\n";
const TYPE_MODULE = '{"type":"module"}';

interface Kind {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly handler?: string;
  /** The one file of the archive. */
  readonly path: string;
}
const kinds: readonly Kind[] = [
  { name: "an .mjs is an ES module", files: { "index.mjs": HANDLER }, path: "index.mjs" },
  {
    name: "a .js is what package.json says",
    files: { "index.js": HANDLER, "package.json": TYPE_MODULE },
    path: "index.mjs",
  },
  {
    name: "a .js without a word from package.json is what its syntax says: ES module",
    files: { "index.js": HANDLER, "package.json": "{}" },
    path: "index.mjs",
  },
  {
    name: "a .js without a word from package.json is what its syntax says: CommonJS",
    files: { "index.js": "exports.handler = (event) => event;", "package.json": "{}" },
    path: "index.cjs",
  },
  {
    name: "a .cjs stays CommonJS within a package of ES modules",
    files: { "index.cjs": "exports.handler = (event) => event;", "package.json": TYPE_MODULE },
    path: "index.cjs",
  },
  {
    name: "a handler in a folder keeps its place",
    files: { "src/app.mjs": "export const run = (event) => event;" },
    handler: "src/app.run",
    path: "src/app.mjs",
  },
  {
    name: "TypeScript is compiled",
    files: {
      "index.ts": "export const handler = (event: unknown): unknown => event;",
      "package.json": TYPE_MODULE,
    },
    path: "index.mjs",
  },
  {
    name: "imports of the folder come along",
    files: {
      "index.mjs":
        'import { same } from "./same.mjs"; export const handler = (event) => same(event);',
      "same.mjs": "export const same = (value) => value;",
    },
    path: "index.mjs",
  },
  {
    name: "a CommonJS dependency that wants Node's own modules and its folder runs inside an ES module",
    files: {
      "index.mjs":
        'import dependency from "./dependency.cjs"; export const handler = dependency.same;',
      "dependency.cjs":
        'const path = require("path"); const home = path.join(__dirname, "x"); exports.same = (value) => (home ? value : 0);',
    },
    path: "index.mjs",
  },
  {
    name: "a handler file that makes its own require is left in peace",
    files: {
      "index.mjs":
        'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); const { sep } = require("node:path"); export const handler = (event) => sep && event;',
    },
    path: "index.mjs",
  },
];
for (const { name, files, handler, path } of kinds)
  test(name, async (context) => {
    const folder = await functionFolder(context, files);
    const flags = handler === undefined ? {} : { handler };
    const bundled = await bundleFunction(folder, flags, BUNDLE);
    const entries = await unzip(bundled);
    assert.deepEqual(Object.keys(entries), [path]);
    assert.equal(await runHandler(context, bundled, path, handler ?? "index.handler"), 42);
  });

test("the same folder gives the same digest whatever its times and wherever it lies", async (context) => {
  const files = { "index.mjs": HANDLER, "b/two.txt": "2", "a.txt": "1" };
  for (const mayBundle of [true, false]) {
    const one = await functionFolder(context, files);
    const other = await functionFolder(context, files);
    await utimes(join(other, "a.txt"), 1, 1);
    const digests = [one, other].map(
      async (folder) => (await bundleFunction(folder, {}, { mayBundle })).digest,
    );
    assert.equal(await digests[0], await digests[1]);
  }
});

test("a folder with its own node_modules is packed as it is, without what tools leave behind", async (context) => {
  const folder = await functionFolder(context, {
    "index.mjs": 'import "left-alone"; export const handler = () => 1;',
    "node_modules/left-alone/index.js": "",
    ".git/config": "",
    ".meridian/credentials.json": "{}",
    "__pycache__/x.pyc": "",
    "readme.txt": "kept",
  });
  await mkdir(join(folder, "node_modules/.bin"));
  await symlink("../left-alone/index.js", join(folder, "node_modules/.bin/left-alone"));
  const entries = await unzip(await bundleFunction(folder, {}, BUNDLE));
  assert.deepEqual(Object.keys(entries), [
    "index.mjs",
    "node_modules/left-alone/index.js",
    "readme.txt",
  ]);
});

test("a Python function is packed as it is, what may be run marked as such", async (context) => {
  const folder = await functionFolder(context, { "index.py": "", "tool.sh": "" });
  await chmod(join(folder, "tool.sh"), 0o755);
  const bundled = await bundleFunction(folder, { runtime: "python" }, BUNDLE);
  const modes: Record<string, number> = {};
  const file = await fromBufferPromise(Buffer.from(bundled.zip));
  for await (const entry of file.eachEntry())
    modes[entry.fileName] = entry.externalFileAttributes >>> 16;
  assert.deepEqual(modes, { "index.py": 0o100644, "tool.sh": 0o100755 });
});

test("meridian.json is obeyed, flags win, and what neither says has its default", async (context) => {
  const folder = await functionFolder(context, {
    "index.mjs": HANDLER,
    "meridian.json": JSON.stringify({
      timeoutMs: 5_000,
      memoryMegabytes: 256,
      environment: { A: "file", B: "file" },
      placement: { regions: ["eu"], tier: "batch" },
    }),
  });
  const { manifest } = await bundleFunction(
    folder,
    { timeoutMs: 9_000, environment: { B: "flag" }, placement: { regions: ["us"] } },
    BUNDLE,
  );
  assert.equal(manifest.name, "a-function");
  assert.equal(manifest.timeoutMs, 9_000);
  assert.equal(manifest.memoryMegabytes, 256);
  assert.equal(manifest.concurrency, 1);
  assert.deepEqual(manifest.environment, { A: "file", B: "flag" });
  // What neither says of it stays as it is behind `live`.
  assert.deepEqual(manifest.placement, { regions: ["us"], tier: "batch" });
});

test("a zip is sent byte for byte, its own meridian.json obeyed", async (context) => {
  const folder = await functionFolder(context, {
    "index.py": "",
    "meridian.json": '{"runtime":"python","timeoutMs":7}',
  });
  const packed = await bundleFunction(folder, {}, BUNDLE);
  const archive = join(folder, "../from-zip.zip");
  await writeFile(archive, packed.zip);
  const sent = await bundleFunction(archive, {}, BUNDLE);
  assert.equal(sent.digest, packed.digest);
  assert.equal(sent.manifest.name, "from-zip");
  assert.equal(sent.manifest.timeoutMs, 7);
});

interface Refusal {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly code: string;
  readonly says: RegExp;
}
const refusals: readonly Refusal[] = [
  {
    name: "an import that leads nowhere is named with the file that has it",
    files: {
      "index.mjs": 'import "./deep/a.mjs"; export const handler = 1;',
      "deep/a.mjs": '\nimport "left-pad";',
    },
    code: "MERIDIAN_CODE_INVALID",
    says: /deep\/a\.mjs:2 imports "left-pad".*npm install left-pad/,
  },
  {
    name: "and so is a file that is not there",
    files: { "index.mjs": 'import "./gone.mjs"; export const handler = 1;' },
    code: "MERIDIAN_CODE_INVALID",
    says: /index\.mjs:1 imports "\.\/gone\.mjs".*no such file/,
  },
  {
    name: "a mistake of syntax comes with its line",
    files: { "index.mjs": "export const handler = (;" },
    code: "MERIDIAN_CODE_INVALID",
    says: /index\.mjs:1: Unexpected/,
  },
  {
    name: "a missing handler file comes with the names that were looked for",
    files: { "other.mjs": HANDLER },
    code: "MERIDIAN_HANDLER_MISSING",
    says: /"index\.handler": looked for index\.mjs, index\.js, index\.cjs/,
  },
  {
    name: "a missing Python handler too",
    files: { "index.mjs": HANDLER },
    flags: { runtime: "python" },
    code: "MERIDIAN_HANDLER_MISSING",
    says: /looked for index\.py$/,
  },
  {
    name: "an ES module without the handler's export comes with what it exports",
    files: { "index.mjs": "export const handle = 1, other = 2;" },
    code: "MERIDIAN_HANDLER_MISSING",
    says: /does not export "handler"; it exports handle, other/,
  },
  {
    name: "a handler outside of the folder is no handler",
    files: { "index.mjs": HANDLER },
    flags: { handler: "../index.handler" },
    code: "MERIDIAN_MANIFEST_INVALID",
    says: /leads out of/,
  },
  {
    name: "unknown keys of meridian.json are named",
    files: { "index.mjs": HANDLER, "meridian.json": '{"memory":1,"placement":{"zone":"x"}}' },
    code: "MERIDIAN_MANIFEST_INVALID",
    says: /unknown key "memory".*unknown key "placement\.zone"/,
  },
  {
    name: "wrong values of meridian.json are named",
    files: { "index.mjs": HANDLER, "meridian.json": '{"timeoutMs":0}' },
    code: "MERIDIAN_MANIFEST_INVALID",
    says: /timeoutMs must be a whole number from 1 to 900000/,
  },
  {
    name: "a meridian.json that is not JSON is told with its path",
    files: { "index.mjs": HANDLER, "meridian.json": "{" },
    code: "MERIDIAN_MANIFEST_INVALID",
    says: /meridian\.json is not JSON/,
  },
  {
    name: "a name no function can have asks for --name",
    files: { "index.mjs": HANDLER },
    flags: { name: "Not A Name" },
    code: "MERIDIAN_MANIFEST_INVALID",
    says: /--name/,
  },
];
for (const { name, files, flags, code, says } of refusals)
  test(name, async (context) => {
    const folder = await functionFolder(context, files);
    await assert.rejects(bundleFunction(folder, flags ?? {}, BUNDLE), { code, message: says });
  });

test("what is missing, or neither folder nor zip, is wrong usage", async (context) => {
  const folder = await temporaryFolder(context, { "index.mjs": HANDLER });
  await assert.rejects(bundleFunction(join(folder, "gone"), {}, BUNDLE), UsageError);
  await assert.rejects(bundleFunction(join(folder, "index.mjs"), {}, BUNDLE), UsageError);
});

test("links are refused by name", async (context) => {
  const folder = await functionFolder(context, { "index.mjs": HANDLER });
  await symlink("/etc/hostname", join(folder, "secret"));
  await assert.rejects(
    bundleFunction(folder, {}, { mayBundle: false }),
    /secret is a symbolic link/,
  );
});

test("a folder past the limit is refused before it is read", async (context) => {
  const folder = await functionFolder(context, { "index.mjs": HANDLER, big: "" });
  // A hole in a file costs nothing on disk.
  await truncate(join(folder, "big"), 300 * 1024 * 1024);
  await assert.rejects(bundleFunction(folder, {}, { mayBundle: false }), {
    code: "MERIDIAN_CODE_TOO_LARGE",
  });
});

async function functionFolder(
  context: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const parent = await temporaryFolder(
    context,
    Object.fromEntries(Object.entries(files).map(([path, body]) => [`made/${path}`, body])),
  );
  const folder = join(parent, "a-function");
  await rename(join(parent, "made"), folder);
  return folder;
}

async function unzip({ zip }: BundledFunction): Promise<Record<string, string>> {
  const file = await fromBufferPromise(Buffer.from(zip));
  const entries: Record<string, string> = {};
  for await (const entry of file.eachEntry())
    entries[entry.fileName] = await text(await file.openReadStreamPromise(entry));
  return entries;
}

/** What the handler makes of 42, loaded from a folder that has nothing but the bundle. */
async function runHandler(
  context: TestContext,
  bundled: BundledFunction,
  path: string,
  handler: string,
): Promise<unknown> {
  const folder = await temporaryFolder(context, await unzip(bundled));
  const module: unknown = await import(pathToFileURL(join(folder, path)).href);
  const name = handler.slice(handler.lastIndexOf(".") + 1);
  const exported = (module as Record<string, unknown>)[name];
  assert.equal(typeof exported, "function");
  return (exported as (event: number) => unknown)(42);
}
