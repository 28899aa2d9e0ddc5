import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  identifyProcess,
  isStillRunning,
  processorMs,
  signalProcess,
} from "#lib/io/process-identity.ts";
import { endLeftovers, registerFile } from "../../../cli/up/io/run-directory-files.ts";
import { until } from "../federator/support/until.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const IDLE = ["-e", "setInterval(() => undefined, 1_000)"];

test("a process that has ended is no longer there, nor is one that merely has its number", async () => {
  const child = spawn(process.execPath, IDLE, { stdio: "ignore" });
  const identity = identifyProcess(child.pid ?? 0);
  assert.ok(identity !== undefined && isStillRunning(identity));
  const predecessor = { ...identity, startedAt: "1" };
  assert.equal(signalProcess(predecessor, "SIGKILL"), false);
  assert.ok(isStillRunning(identity));

  assert.ok(signalProcess(identity, "SIGKILL"));
  await once(child, "exit");
  assert.equal(isStillRunning(identity), false);
  assert.equal(signalProcess(identity, "SIGKILL"), false);
});

test("a process that works uses processor time, and a frozen one none", async (context) => {
  const child = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
  context.after(() => child.kill("SIGKILL"));
  const used = () => processorMs(child.pid ?? 0) ?? 0;
  const atFirst = used();
  while (used() < atFirst + 50) await sleep(10);
  child.kill("SIGSTOP");
  await until("it stands still", async () => {
    const before = used();
    await sleep(100);
    return used() === before;
  });
  assert.equal(processorMs(0), undefined);
});

test("what a killed up left behind is ended at the next start, and nothing else", async (context) => {
  const run = await temporaryFolder(context);
  const leftover = spawn(process.execPath, IDLE, { stdio: "ignore" });
  const bystander = spawn(process.execPath, IDLE, { stdio: "ignore" });
  context.after(() => bystander.kill("SIGKILL"));
  const identity = identifyProcess(leftover.pid ?? 0);
  const register = [identity, { pid: bystander.pid, startedAt: "1" }];
  await writeFile(registerFile(run), JSON.stringify(register));
  assert.equal(await endLeftovers(run), 1);
  assert.equal(identity !== undefined && isStillRunning(identity), false);
  assert.equal(bystander.exitCode, null);
  assert.ok(identifyProcess(bystander.pid ?? 0) !== undefined);
});

test("a register that is missing or broken means no leftovers", async (context) => {
  const run = await temporaryFolder(context);
  assert.equal(await endLeftovers(run), 0);
  assert.equal(await endLeftovers(join(run, "gone")), 0);
  await mkdir(run, { recursive: true });
  await writeFile(registerFile(run), '[{"pid":');
  assert.equal(await endLeftovers(run), 0);
});
