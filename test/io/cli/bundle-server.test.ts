import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fromBufferPromise } from "yauzl";
import { type BundledFunction, bundleFunction } from "../../../cli/bundle/bundle-function.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const BUNDLE = { mayBundle: true };
const SERVER =
  'import { createServer } from "node:http";\ncreateServer().listen(process.env.PORT);\n';
const server = { interface: "http", name: "chat" };

const bundled = [
  { file: "server.mjs", runs: "server.mjs" },
  { file: "server.js", runs: "server.mjs" },
  { file: "server.ts", runs: "server.mjs" },
  { file: "server.cjs", runs: "server.cjs" },
];
for (const { file, runs } of bundled)
  test(`${file} and what it imports become one file, and that is what is run`, async (context) => {
    const folder = await temporaryFolder(context, {
      [file]: SERVER,
      "package.json": '{"type":"module"}',
    });
    const made = await bundleFunction(folder, { ...server, handler: file }, BUNDLE);
    assert.deepEqual(await namesIn(made), [runs]);
    assert.equal(made.manifest.handler, runs);
  });

test("an example with a dependency from npm bundles", async () => {
  const chat = join(import.meta.dirname, "../../../examples/chat");
  const made = await bundleFunction(chat, {}, BUNDLE);
  assert.deepEqual(await namesIn(made), ["server.mjs"]);
  assert.equal(made.manifest.interface, "http");
  assert.deepEqual(made.warnings, []);
});

test("a server in Python is packed as it is", async (context) => {
  const folder = await temporaryFolder(context, { "server.py": "", "page.html": "" });
  const flags = { ...server, runtime: "python", handler: "server.py" };
  const made = await bundleFunction(folder, flags, BUNDLE);
  assert.deepEqual(await namesIn(made), ["page.html", "server.py"]);
  assert.equal(made.manifest.handler, "server.py");
});

for (const { handler, code, says } of [
  { handler: "server.mjs", code: "MERIDIAN_HANDLER_MISSING", says: /has no file server\.mjs/ },
  { handler: "index.handler", code: "MERIDIAN_MANIFEST_INVALID", says: /no file that can be run/ },
  { handler: "../server.mjs", code: "MERIDIAN_MANIFEST_INVALID", says: /leads out of/ },
])
  test(`a server that is ${handler} is refused`, async (context) => {
    const folder = await temporaryFolder(context, { "index.mjs": SERVER });
    await assert.rejects(bundleFunction(folder, { ...server, handler }, BUNDLE), {
      code,
      message: says,
    });
  });

async function namesIn({ zip }: BundledFunction): Promise<string[]> {
  const archive = await fromBufferPromise(Buffer.from(zip));
  const names: string[] = [];
  for await (const { fileName } of archive.eachEntry()) names.push(fileName);
  return names.toSorted();
}
