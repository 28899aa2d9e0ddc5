import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { codePacker, type PackedCode } from "../../../../agents/drivers/kubernetes/pack-code.ts";

/** What runs in a pod has no types and no build step. */
interface RuntimeModule {
  readonly codeWriter: (
    folder: string,
    code: Pick<PackedCode, "digest" | "files">,
  ) => { readonly write: (chunk: Buffer) => void; readonly finish: () => void };
}

const RUNTIME = join(import.meta.dirname, "../../../../agents/runtimes/pod/write-code.mjs");
const { codeWriter }: RuntimeModule = await import(RUNTIME);

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "send-code-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function packedSample(t: TestContext) {
  const from = await folder(t);
  await mkdir(join(from, "deep/er"), { recursive: true });
  await writeFile(join(from, "index.mjs"), "export const a = 1;");
  await writeFile(join(from, "deep/er/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(from, "empty"), "");
  await writeFile(join(from, "large"), Buffer.alloc(300_000, "x"));
  return codePacker()(from);
}

test("code arrives as it was, with its modes, however it is cut", async (t) => {
  const code = await packedSample(t);
  const to = await folder(t);
  const writer = codeWriter(to, { digest: code.digest, files: code.files });
  for await (const chunk of code.contents())
    for (let at = 0; at < chunk.length; at += 7_001) writer.write(chunk.subarray(at, at + 7_001));
  writer.finish();
  assert.equal(await readFile(join(to, "index.mjs"), "utf8"), "export const a = 1;");
  assert.equal((await stat(join(to, "deep/er/run.sh"))).mode & 0o777, 0o755);
  assert.equal((await stat(join(to, "empty"))).size, 0);
  assert.equal((await stat(join(to, "large"))).size, 300_000);
});

test("code that was changed, is short or is too long is not run", async (t) => {
  const code = await packedSample(t);
  const chunks: Buffer[] = [];
  for await (const chunk of code.contents()) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  const changed = Buffer.from(whole);
  changed[0] = 0;
  const writer = async () => codeWriter(await folder(t), { ...code });
  const one = await writer();
  one.write(changed);
  assert.throws(() => one.finish(), /the code is sha256:/);
  const two = await writer();
  two.write(whole.subarray(1));
  assert.throws(() => two.finish(), /did not come whole/);
  const three = await writer();
  assert.throws(() => three.write(Buffer.concat([whole, whole])), /more code than/);
});

test("no file is written outside of the code's folder", async (t) => {
  const to = await folder(t);
  for (const path of ["../out", "/etc/out", "a/../../out"]) {
    const files = [{ path, mode: 0o644, bytes: 1 }];
    assert.throws(() => codeWriter(to, { digest: "", files }), /is not in the code/);
  }
});
