import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeIsolation, weakerChecks } from "../../../../agents/core/sandbox/judge-isolation.ts";

const NAMES = [
  ["exhaust-descriptors"],
  ["own-user", "gain-privileges", "read-agent-files", "signal-agent"],
  [
    "have-capabilities",
    "list-processes",
    "read-neighbour",
    "write-outside-tmp",
    "fill-tmp",
    "filtered-calls",
    "mount",
    "ptrace",
  ],
  ["exceed-memory", "fork-200"],
];
const all = NAMES.flat().map((name) => ({ name, holds: true, evidence: "EPERM" }));
const levelOf = (attempts: typeof all) => judgeIsolation(attempts, [], 1).level;

test("all that was tried in vain proves the level below a kernel of its own", () => {
  assert.equal(levelOf(all), "L3");
});

for (const [index, names] of NAMES.entries())
  for (const name of names) {
    const below = `L${Math.max(0, index - 1)}`;
    test(`an instance that could ${name} leaves ${below}`, () => {
      const broken = all.map((attempt) => ({ ...attempt, holds: attempt.name !== name }));
      assert.equal(levelOf(broken), below);
    });
    test(`where ${name} was not tried, ${below} is proved and no more`, () => {
      assert.equal(levelOf(all.filter((attempt) => attempt.name !== name)), below);
    });
  }

test("of several runtimes the one that got through counts, and what it saw is told", () => {
  const python = { name: "mount", holds: false, evidence: "it mounted" };
  const report = judgeIsolation([...all, python], [], 1);
  assert.equal(report.level, "L1");
  assert.equal(report.checks.find(({ name }) => name === "mount")?.evidence, "it mounted");
});

test("what the network lets through is told, and lowers no level", () => {
  const reached = { name: "reach-agent-port", holds: false, evidence: "connected" };
  const report = judgeIsolation([...all, reached], ["nft is not installed"], 1);
  assert.equal(report.level, "L3");
  assert.equal(report.checks.at(-1)?.holds, false);
});

test("nothing that was tried proves nothing, and long evidence is cut", () => {
  assert.deepEqual(judgeIsolation([], ["no"], 5), {
    level: "L0",
    provedAtMs: 5,
    checks: [],
    notes: ["no"],
  });
  const long = judgeIsolation([{ name: "mount", holds: true, evidence: "x".repeat(999) }], [], 5);
  assert.equal(long.checks[0]?.evidence.length, 300);
});

test("a second way of starting instances is weaker by what it does not keep from them, or was not tried", () => {
  assert.deepEqual(weakerChecks(all, all), []);
  const open = all.map((one) => (one.name === "mount" ? { ...one, holds: false } : one));
  assert.deepEqual(weakerChecks(all, open), ["mount: EPERM"]);
  assert.deepEqual(weakerChecks(all, [...all, ...open]), ["mount: EPERM"]);
  const untried = all.filter(({ name }) => name !== "fork-200");
  assert.deepEqual(weakerChecks(all, untried), ["fork-200: was not tried"]);
  // What the first way does not keep from them either is no reason.
  assert.deepEqual(weakerChecks(open, open), []);
  assert.deepEqual(weakerChecks([...all, ...open], open), []);
});
