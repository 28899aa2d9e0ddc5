import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const RUNNER = join(import.meta.dirname, "run.ts");

/** What `npm test` prints and ends with in a project that has these test files. */
function runProject(
  files: Readonly<Record<string, string>>,
  parts: readonly string[],
  secondTries: string,
) {
  const folder = mkdtempSync(join(tmpdir(), "meridian-runner-"));
  try {
    mkdirSync(join(folder, "test"));
    for (const [name, source] of Object.entries(files))
      writeFileSync(join(folder, "test", name), `import { test } from "node:test";\n${source}\n`);
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const env = { ...inherited, MERIDIAN_SECOND_TRIES: secondTries };
    const { status, stdout } = spawnSync(process.execPath, [RUNNER, ...parts], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
    return { status, stdout, lastLine: stdout.trimEnd().split("\n").at(-1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const FAILS_ONCE = `
  import { existsSync, writeFileSync } from "node:fs";
  test("one", () => {
    if (existsSync("seen")) return;
    writeFileSync("seen", "");
    throw new Error("planted");
  });`;

const cases = [
  {
    name: "tests that pass are counted, and the run succeeds",
    files: { "a.test.ts": `test("one", () => {}); test("two", () => {});` },
    status: 0,
    lastLine: "2 passed, 0 failed, 0 skipped",
  },
  {
    name: "a test that fails makes the run fail",
    files: { "a.test.ts": `test("one", () => { throw new Error("planted"); });` },
    status: 1,
    lastLine: "0 passed, 1 failed, 0 skipped",
    says: /planted/,
  },
  {
    name: "a file that breaks off makes the run fail, and what it wrote is shown",
    files: { "a.test.ts": `throw new Error("planted");` },
    status: 1,
    lastLine: "0 passed, 1 failed, 0 skipped",
    says: /Error: planted/,
  },
  {
    name: "a file without a test is a failure",
    files: { "a.test.ts": "export const nothing = test;" },
    status: 1,
    lastLine: "0 passed, 1 failed, 0 skipped",
    says: /holds no test/,
  },
  {
    name: "a skip that names its command is listed and counted",
    files: {
      "a.test.ts": `test("one", () => {}); test("two", { skip: "no engine: \`npm run engines\`" }, () => {});`,
    },
    status: 0,
    lastLine: "1 passed, 0 failed, 1 skipped",
    says: /^skipped 1 {2}test\/a\.test\.ts: no engine: `npm run engines`$/m,
  },
  {
    name: "a skip that does not is a failure",
    files: { "a.test.ts": `test("one", () => {}); test.skip("two", () => {});` },
    status: 1,
    lastLine: "1 passed, 1 failed, 0 skipped",
  },
  {
    name: "a run of skips alone ran no test, which is a failure",
    files: { "a.test.ts": `test("two", { skip: "\`npm run engines\`" }, () => {});` },
    status: 1,
    lastLine: "0 passed, 0 failed, 1 skipped",
  },
  {
    name: "a run that finds no file is a failure",
    files: { "a.test.ts": `test("one", () => {});` },
    parts: ["elsewhere"],
    status: 1,
    lastLine: "0 passed, 0 failed, 0 skipped",
    says: /no test ran/,
  },
  {
    name: "what fails twice is a failure",
    files: { "a.test.ts": `test("one", () => { throw new Error("planted"); });` },
    secondTries: "1",
    status: 1,
    lastLine: "0 passed, 1 failed, 0 skipped",
    says: /again, alone: test\/a\.test\.ts/,
  },
  {
    name: "what fails once and passes alone is named, and the run succeeds",
    files: { "a.test.ts": FAILS_ONCE },
    secondTries: "1",
    status: 0,
    lastLine: "1 passed, 0 failed, 0 skipped",
    says: /✖ one[^]*unsteady {2}test\/a\.test\.ts/,
  },
  {
    name: "more files that fail than may be tried again are all failures",
    files: { "a.test.ts": FAILS_ONCE, "b.test.ts": `test("two", () => { throw new Error(); });` },
    secondTries: "1",
    status: 1,
    lastLine: "0 passed, 2 failed, 0 skipped",
  },
] as const;

for (const { name, files, status, lastLine, ...rest } of cases)
  test(name, () => {
    const run = runProject(
      files,
      "parts" in rest ? rest.parts : [],
      "secondTries" in rest ? rest.secondTries : "0",
    );
    assert.equal(run.lastLine, lastLine, run.stdout);
    assert.equal(run.status, status);
    if ("says" in rest) assert.match(run.stdout, rest.says);
  });
