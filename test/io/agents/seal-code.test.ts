import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sealOf } from "../../../agents/io/seal-code.ts";

const CHANGES: Readonly<Record<string, (folder: string) => void>> = {
  "a file that was written to, and says its old times": (folder) => {
    const file = join(folder, "inner/0.mjs");
    writeFileSync(file, "export const handler = () => 2;");
    utimesSync(file, 1, 1);
  },
  "a file that was added": (folder) => writeFileSync(join(folder, "inner/new.mjs"), ""),
  "a file that is gone": (folder) => rmSync(join(folder, "inner/0.mjs")),
  "a file that has another name": (folder) =>
    renameSync(join(folder, "inner/0.mjs"), join(folder, "0.mjs")),
  "a file that may be run": (folder) => chmodSync(join(folder, "inner/0.mjs"), 0o755),
};

// Few files are looked at in another way than many.
for (const count of [1, 100])
  for (const [what, change] of Object.entries(CHANGES))
    test(`the seal of ${count} files tells ${what}`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "seal-"));
      t.after(() => rmSync(folder, { recursive: true }));
      mkdirSync(join(folder, "inner"));
      for (let file = 0; file < count; file += 1) {
        writeFileSync(join(folder, `inner/${file}.mjs`), "export const handler = () => 1;");
        utimesSync(join(folder, `inner/${file}.mjs`), 1, 1);
      }
      const before = await sealOf(folder);
      assert.equal(await sealOf(folder), before, "what nobody touched has the same seal");
      change(folder);
      assert.notEqual(await sealOf(folder), before);
    });
