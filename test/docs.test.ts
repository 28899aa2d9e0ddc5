import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorsReference } from "../docs/errors-reference.ts";
import { REPOSITORY } from "./support/source-files.ts";

const PARTS =
  "lib catalog gateway federator agents cli chaos bench charts examples test docs".split(" ");

test("the reference of errors is current; `npm run docs` writes it", () => {
  assert.equal(read("docs/reference/errors.md"), errorsReference());
});

test("decisions are numbered in a row, and each says its context, choice and consequence", () => {
  const index = read("docs/decisions/README.md");
  const files = [...index.matchAll(/\]\((\d{4})-[a-z0-9-]+\.md\)/g)];
  assert.deepEqual(
    files.map(([, number]) => number),
    files.map((_, position) => String(position + 1).padStart(4, "0")),
  );
  for (const [link] of files) {
    const text = read(join("docs/decisions", link.slice(2, -1)));
    for (const heading of ["## Context", "## Choice", "## Consequence"])
      assert.ok(text.includes(heading), `${link} lacks ${heading}`);
  }
});

test("the README's map names every part of the tree", () => {
  const readme = read("README.md");
  for (const part of PARTS) assert.match(readme, new RegExp(`^${part}/ `, "m"), part);
});

function read(path: string): string {
  return readFileSync(join(REPOSITORY, path), "utf8");
}
