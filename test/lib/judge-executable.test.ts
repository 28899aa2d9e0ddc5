import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeExecutable } from "#lib/judge-executable.ts";

const elf = (machine: number): Buffer => {
  const head = Buffer.alloc(64);
  head.write("\x7fELF\x02\x01\x01", "latin1");
  head.writeUInt16LE(machine, 18);
  return head;
};

const cases = [
  ["a script", "#!/bin/sh\necho", { kind: "script", interpreter: "/bin/sh" }],
  [
    "a script whose first line alone is there",
    "#! /usr/bin/env node",
    { kind: "script", interpreter: "/usr/bin/env" },
  ],
  ["a program of this kind of machine", elf(0x3e), { kind: "program", architecture: "x64" }],
  ["a program of that kind", elf(0xb7), { kind: "program", architecture: "arm64" }],
  ["a program of a rare kind", elf(0x16), { kind: "program", architecture: "machine 22" }],
] as const;

for (const [sentence, head, expected] of cases)
  test(`${sentence} is told`, () => {
    assert.deepEqual(judgeExecutable(Buffer.from(head)), expected);
  });

const foreign = [
  ["a script from Windows", "#!/bin/sh\r\necho", /line ends of Windows/],
  ["a script that names nothing", "#! \necho", /names no interpreter/],
  ["text", "echo hello", /neither a Linux program nor a script/],
  ["a program for macOS", Buffer.from("cffaedfe07000001", "hex"), /for macOS; build it for Linux/],
  ["a universal one", Buffer.from("cafebabe00000002", "hex"), /for macOS/],
  ["a program for Windows", "MZ\x90\0", /for Windows/],
  ["half of a head", Buffer.from("\x7fEL", "latin1"), /neither/],
  ["nothing", "", /is empty/],
] as const;

for (const [sentence, head, reason] of foreign)
  test(`${sentence} is nothing that Linux runs`, () => {
    const judged = judgeExecutable(Buffer.from(head));
    assert.equal(judged.kind, "foreign");
    assert.match(judged.reason, reason);
  });
