import assert from "node:assert/strict";
import { test } from "node:test";
import { isFileAndExport } from "#lib/handler-name.ts";

const names = [
  ["index.handler", true],
  ["./src/app.main", true],
  ["package/app.lambda_handler", true],
  ["server.mjs", true],
  ["a.b.$c", true],
  ["index", false],
  ["index.", false],
  [".handler.2", false],
  ["", false],
] as const;

for (const [name, isOne] of names)
  test(`"${name}" ${isOne ? "names" : "does not name"} a file and an export`, () => {
    assert.equal(isFileAndExport(name), isOne);
  });
