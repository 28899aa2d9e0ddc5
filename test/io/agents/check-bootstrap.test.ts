import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { bootstrapObstacle } from "../../../agents/drivers/check-bootstrap.ts";
import { openProcessDriver } from "../../contract/open-process-driver.ts";

const MISSING = /^bootstrap asks for the interpreter \S+, which is not on this cluster's machines/;
const UNSEEN = /^bootstrap asks for the interpreter \S+, which instances do not see: .*\/usr/;

/** `OWN` stands for the code's own folder. */
const cases: readonly {
  interpreter: string;
  isSandboxed: boolean;
  told: RegExp | undefined;
}[] = [
  { interpreter: "/bin/sh", isSandboxed: true, told: undefined },
  { interpreter: "/bin/sh", isSandboxed: false, told: undefined },
  { interpreter: " /usr/bin/env sh", isSandboxed: true, told: undefined },
  { interpreter: "/opt/no/such/ruby", isSandboxed: true, told: MISSING },
  { interpreter: "/opt/no/such/ruby", isSandboxed: false, told: MISSING },
  { interpreter: "OWN/tool", isSandboxed: true, told: UNSEEN },
  { interpreter: "OWN/tool", isSandboxed: false, told: undefined },
  { interpreter: "/var/task/tool", isSandboxed: true, told: undefined },
  { interpreter: "/var/task/other", isSandboxed: true, told: MISSING },
  { interpreter: "/var/task/../../etc/passwd", isSandboxed: true, told: MISSING },
  { interpreter: "/usrlocal/sh", isSandboxed: true, told: MISSING },
];
for (const { interpreter, isSandboxed, told } of cases)
  test(`#!${interpreter} ${isSandboxed ? "in a sandbox" : "without one"} ${told === undefined ? "runs" : "is told before it is tried"}`, async (t) => {
    const obstacle = await bootstrapObstacle(await codeWith(t, interpreter), isSandboxed);
    if (told === undefined) assert.equal(obstacle, undefined);
    else assert.match(String(obstacle), told);
  });

test("a version whose interpreter is not there fails its start with that sentence", async (t) => {
  const driver = await openProcessDriver(t);
  const instance = driver.start(
    {
      tenant: "demo",
      functionName: "own",
      version: 1,
      runtime: "provided",
      handler: "any",
      codeDirectory: await codeWith(t, "/opt/no/such/ruby"),
      memoryMegabytes: 128,
      concurrency: 1,
      environment: {},
      initTimeoutMs: 10_000,
    },
    () => undefined,
  );
  const started = await instance.started;
  assert.equal(started.kind, "init-failed", JSON.stringify(started));
  assert.match(started.error.errorMessage, MISSING);
});

async function codeWith(t: TestContext, interpreter: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bootstrap-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  await writeFile(join(folder, "tool"), "#!/bin/sh\n", { mode: 0o755 });
  const line = `#!${interpreter.replace("OWN", folder)}\n`;
  await writeFile(join(folder, "bootstrap"), line, { mode: 0o755 });
  return folder;
}
