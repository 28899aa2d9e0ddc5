import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const REPOSITORY = join(import.meta.dirname, "..");

interface Script {
  readonly name: string;
  readonly file: string;
  readonly helps: RegExp;
}
const scripts: readonly Script[] = [
  { name: "test", file: "test/run.ts", helps: /PART-OF-A-PATH/ },
  { name: "bench", file: "bench/bench.ts", helps: /\n {2}gateway +what a request costs/ },
  { name: "soak", file: "bench/soak.ts", helps: /--minutes N/ },
  { name: "fuzz", file: "test/fuzz/fuzz.ts", helps: /\nlanes: / },
  { name: "simulate", file: "test/simulation/simulate.ts", helps: /--seeds N/ },
  { name: "engines", file: "test/engines/build-engines.sh", helps: /-- kubernetes/ },
  { name: "clusters", file: "test/engines/kubernetes/clusters.ts", helps: /cut NAME/ },
  { name: "test:kubernetes", file: "test/kubernetes/run.ts", helps: /PART-OF-A-PATH/ },
  { name: "image", file: "image/build-image.ts", helps: /--file FILE/ },
];

for (const { name, file, helps } of scripts) {
  const run = (...options: readonly string[]) => {
    const program = file.endsWith(".sh") ? "bash" : process.execPath;
    return spawnSync(program, [file, ...options], { cwd: REPOSITORY, encoding: "utf8" });
  };

  test(`npm run ${name} says with --help what it can be asked`, () => {
    const { status, stdout, stderr } = run("--help");
    assert.equal(status, 0, stderr);
    assert.match(stdout, helps);
    assert.equal(stderr, "");
  });

  test(`npm run ${name} names an option that it does not know, in one sentence`, () => {
    const { status, stdout, stderr } = run("--nonsense");
    assert.equal(status, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^[^\n]*--nonsense[^\n]*\n$/);
  });
}

const wrong: readonly (readonly [command: readonly string[], says: RegExp])[] = [
  [["bench/bench.ts"], /^name one of gateway, fault/],
  [["bench/bench.ts", "constructor"], /^name one of/],
  [["bench/bench.ts", "hello", "--rounds", "0"], /^--rounds takes a whole number from 1 to 20/],
  [["bench/bench.ts", "hello", "--seconds"], /--seconds/],
  [["bench/soak.ts", "gateway", "--minutes", "soon"], /^--minutes takes a whole number/],
  [["test/fuzz/fuzz.ts"], /^say what to try/],
  [["test/fuzz/fuzz.ts", "gateway", "--seed="], /^--seed takes a whole number from 0 up/],
  [["test/engines/kubernetes/clusters.ts"], /^say one of up, status/],
  [["test/engines/kubernetes/clusters.ts", "up", "4"], /^up takes a whole number from 1 to 3/],
  [["test/engines/kubernetes/clusters.ts", "cut", "mars"], /^name one of eu-west/],
  [["test/engines/kubernetes/clusters.ts", "down", "us-east"], /^us-east is one word too many/],
  [["test/simulation/simulate.ts", "--zones", "6"], /^--zones takes a whole number from 2 to 5/],
];
for (const [command, says] of wrong)
  test(`${command.join(" ")} is one sentence and exit code 2`, () => {
    const options = { cwd: REPOSITORY, encoding: "utf8" } as const;
    const { status, stderr } = spawnSync(process.execPath, command, options);
    assert.equal(status, 2, stderr);
    assert.match(stderr, says);
    assert.match(stderr, /^[^\n]*\n$/);
  });
