import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { doorAddress, networkRules } from "../../../../agents/core/sandbox/instance-network.ts";
import {
  environmentScript,
  type Inmate,
  sandboxCommand,
} from "../../../../agents/core/sandbox/sandbox-command.ts";

const BASE = {
  bwrap: "/usr/bin/bwrap",
  filterFile: "/state/filter",
  rootEntries: [{ kind: "shown", path: "/usr" }] as const,
  node: "/opt/node",
  agentDirectory: "/run/i",
};
const INMATE: Inmate = {
  user: { kind: "own", setpriv: "/usr/bin/setpriv", user: 7 },
  taskDirectory: "/state/code",
  runtimeDirectory: "/runtimes/node",
  languageDirectories: [],
  sharedFolders: [],
  network: "outbound",
  groupDirectories: [],
  program: ["/var/lang/bin/node", "x"],
  environment: { SECRET: "s3cret" },
};
const argumentsOf = (inmate: Inmate) =>
  sandboxCommand(BASE, inmate).descriptors[0]?.split("\0") ?? [];

test("nothing of a function's environment is on a command line", () => {
  const { command, descriptors } = sandboxCommand(BASE, INMATE);
  assert.ok(!JSON.stringify(command).includes("s3cret"));
  assert.ok(!descriptors[0]?.includes("s3cret"));
  assert.ok(descriptors[1]?.includes("s3cret"));
});

test("the agent's privileges are gone before the environment is read", () => {
  const { command } = sandboxCommand(BASE, INMATE);
  const words = command.join(" ");
  assert.ok(words.indexOf("--reuid 7") < words.indexOf("/run/environment"));
  assert.ok(words.includes("--bounding-set=-all"));
});

test("a network of its own comes with the namespace, and a user of the agent's with another", () => {
  assert.ok(!argumentsOf(INMATE).includes("--unshare-net"));
  assert.ok(argumentsOf({ ...INMATE, network: "none" }).includes("--unshare-net"));
  const mapped = { ...INMATE, user: { kind: "mapped", user: 1_000 } as const };
  assert.ok(argumentsOf(mapped).includes("--unshare-user"));
  assert.ok(!sandboxCommand(BASE, mapped).command.includes("--reuid"));
});

test("a shell reads back any environment", () => {
  const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(value, (text) => {
      const script = `${environmentScript({ VALUE: text })}printf %s "$VALUE"`;
      assert.equal(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" }), text);
    }),
    { numRuns: 30 },
  );
});

test("every user has one address of loopback that no other of the range has", () => {
  const addresses = Array.from({ length: 3_000 }, (_, index) => doorAddress(0x7000_0000 + index));
  assert.equal(new Set(addresses).size, addresses.length);
  assert.equal(addresses[0], "127.64.0.0");
  assert.equal(addresses[2_999], "127.64.11.183");
  assert.equal(doorAddress(0x7000_0000 + 2 ** 22 - 1), "127.127.255.255");
});

test("the rules are one line, owned by who reads them, and know instances by their users", () => {
  const rules = networkRules("t", { from: 10, count: 2 });
  assert.ok(!rules.includes("\n"));
  assert.ok(rules.startsWith("add table inet t { flags owner; }"));
  assert.ok(rules.includes("10 . 127.64.0.10, 11 . 127.64.0.11"));
  assert.ok(rules.endsWith("meta skuid 10-11 jump instances"));
});
