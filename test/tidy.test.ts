import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";
import { REPOSITORY, sourceFiles } from "./support/source-files.ts";

const LINES_MAX = 300;
/** A test is a list of cases, and may be longer. */
const TEST_LINES_MAX = 400;

const sources = sourceFiles(
  "{lib,catalog,gateway,federator,agents,cli,chaos,bench,docs,image,test}/**/*.ts",
);
const documents = sourceFiles("{*.md,{docs,charts,examples,lib,test,chaos}/**/*.md}");
const everything = [
  ...sources,
  ...documents,
  ...sourceFiles("{.ci/*,*.json,{agents,cli,examples,chaos,test}/**/*.{js,mjs,py,sh,json}}"),
];

test("the rules are checked against real files", () => {
  assert.ok(sources.length > 100, `${sources.length} sources`);
  assert.ok(documents.length > 5, `${documents.length} documents`);
});

test(`no source is longer than ${LINES_MAX} lines, no test longer than ${TEST_LINES_MAX}`, () => {
  const long = sources
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ path, lines }) => lines > (path.startsWith("test/") ? TEST_LINES_MAX : LINES_MAX))
    .map(({ path, lines }) => `${path}: ${lines}`);
  assert.deepEqual(long, []);
});

test("what is left to do is an issue, and the source names it", () => {
  refuse(sources, /\b(?:TODO|FIXME|XXX)\b(?![^\n]*#\d)/, ["test/tidy.test.ts"]);
});

test("exports have names", () => {
  refuse(sources, /^export default\b/m);
});

test("no file names a path of one machine", () => {
  refuse(everything, /(?<![\w.*}/])\/(?:home|work|Users|root)\/\w/);
});

test("links in documents lead somewhere", () => {
  const broken = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !existsSync(join(REPOSITORY, posix.dirname(path), link)))
      .map((link) => `${path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test("files that documents and comments name exist", () => {
  const named =
    /`((?:lib|catalog|gateway|federator|agents|cli|chaos|bench|test|docs|examples)\/[\w./-]+\.(?:ts|mjs|js|py|md|json|sh))`/g;
  const broken = [...documents, ...sources].flatMap(({ path, text }) =>
    [...text.matchAll(named)]
      .map(([, file = ""]) => file)
      .filter((file) => !existsSync(join(REPOSITORY, file)))
      .map((file) => `${path}: ${file}`),
  );
  assert.deepEqual(broken, []);
});

function refuse(
  files: readonly { readonly path: string; readonly text: string }[],
  pattern: RegExp,
  except: readonly string[] = [],
): void {
  const broken = files
    .filter(({ path, text }) => !except.includes(path) && pattern.test(text))
    .map(({ path, text }) => `${path}: ${pattern.exec(text)?.[0]}`);
  assert.deepEqual(broken, []);
}
