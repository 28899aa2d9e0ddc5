import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { isStillRunning } from "#lib/io/process-identity.ts";
import type { DrillOutcome } from "#chaos";
import { scanResidue } from "../../../chaos/io/scan-residue.ts";
import { openIntents, type Undo } from "../../../chaos/core/open-intents.ts";
import { readJournal } from "../../../chaos/io/safety-journal.ts";
import { readProcesses } from "../../../chaos/io/state-files.ts";
import { FAKE_UP, type FakeFederation, startFake, waitFor } from "./fake-federation/start-fake.ts";
import { smallDrill, writeExperiment } from "./small-drill.ts";

const TARGET = "eu-west";
let directory = "";
let journals = "";
let fake: FakeFederation | undefined;
let runner: ChildProcess | undefined;
let printed = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "meridian-test-"));
  journals = join(directory, "journals");
  mkdirSync(journals);
  printed = "";
});
afterEach(async () => {
  runner?.kill("SIGKILL");
  await fake?.stop();
  if (fake !== undefined) rmSync(fake.stateDirectory, { recursive: true, force: true });
  rmSync(directory, { recursive: true, force: true });
  fake = undefined;
  runner = undefined;
});

test("the runner is killed while the zone is dead: the zone is started again and the functions are deleted", async () => {
  fake = await startFake();
  startRunner({ state: fake.stateDirectory });
  await waitFor("the fault", () => printed.includes("proved: no process"));
  assert.deepEqual(fake.pidsOf(TARGET), []);
  assert.equal(fake.functions().length, 2);
  runner?.kill("SIGKILL");
  await waitFor("the zone", () => fake?.pidsOf(TARGET).length === 1);
  await waitFor("the deletion", () => fake?.functions().length === 0);
  await waitFor("a journal with nothing open", () => openUndos().length === 0);
});

test("the runner is killed with a federation of its own: nothing of it is left, not even its folder", async () => {
  startRunner({});
  await waitFor("the fault", () => printed.includes("proved: no process"));
  const [undo] = openUndos().filter(({ kind }) => kind === "stop-federation");
  assert.ok(undo?.kind === "stop-federation" && undo.up !== null);
  const family = [undo.up, ...(await readProcesses(undo.stateDirectory))];
  assert.equal(family.length, 3);
  runner?.kill("SIGKILL");
  await waitFor("their end", () => !family.some(isStillRunning));
  await waitFor("the removal", () => !existsSync(undo.stateDirectory));
});

// Only /proc tells a process's parent without another program.
const onlyOnLinux = { skip: process.platform !== "linux" };
test(
  "runner and watchdog are both killed: the next drill's scan puts it right",
  onlyOnLinux,
  async () => {
    fake = await startFake();
    startRunner({ state: fake.stateDirectory });
    await waitFor("the fault", () => printed.includes("proved: no process"));
    process.kill(findWatchdog(runner?.pid ?? 0), "SIGKILL");
    runner?.kill("SIGKILL");
    await waitFor("the runner's end", () => runner?.signalCode === "SIGKILL");
    assert.deepEqual(fake.pidsOf(TARGET), []);
    const residue = await scanResidue(journals);
    assert.equal(residue.undone.length, 1);
    assert.deepEqual(residue.dirty, []);
    assert.equal(fake.pidsOf(TARGET).length, 1);
    assert.deepEqual(fake.functions(), []);
    assert.deepEqual(readdirSync(journals), []);
  },
);

test("the runner is stopped, not killed: the fault is undone at its dead-man time, and the drill ends as aborted", async () => {
  fake = await startFake();
  startRunner({ state: fake.stateDirectory, deadManMs: 7_000 });
  await waitFor("the fault", () => printed.includes("proved: no process"));
  runner?.kill("SIGSTOP");
  await waitFor("the zone", () => fake?.pidsOf(TARGET).length === 1);
  runner?.kill("SIGCONT");
  await waitFor("the end", () => runner?.exitCode === 0);
  const outcome = lastOutcome();
  assert.ok(outcome.kind === "ran");
  assert.equal(outcome.report.verdict, "ABORTED", printed);
  assert.match(outcome.report.reasons.join(), /watchdog undid the fault after 7000 ms/);
  assert.equal(outcome.report.cleanup, "CLEAN");
});

test("Ctrl-C in the middle ends as interrupted, with everything undone", async () => {
  fake = await startFake();
  startRunner({ state: fake.stateDirectory });
  await waitFor("the fault", () => printed.includes("proved: no process"));
  runner?.kill("SIGINT");
  await waitFor("the end", () => runner?.exitCode === 0);
  const outcome = lastOutcome();
  assert.ok(outcome.kind === "ran");
  assert.equal(outcome.report.verdict, "INTERRUPTED");
  assert.deepEqual(outcome.report.leftBehind, []);
  assert.equal(fake.pidsOf(TARGET).length, 1);
  assert.deepEqual(fake.functions(), []);
  assert.deepEqual(readdirSync(journals), []);
});

function startRunner({ state, deadManMs }: { state?: string; deadManMs?: number }): void {
  const experiment = smallDrill(deadManMs === undefined ? {} : { deadManMs });
  const options = {
    experimentFile: writeExperiment(directory, experiment),
    reportDirectory: join(directory, "report"),
    journalDirectory: journals,
    federationCommand: FAKE_UP,
    ...(state === undefined ? {} : { state }),
  };
  const file = join(import.meta.dirname, "runner-process.ts");
  runner = spawn(process.execPath, [file, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  runner.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
}

const lastOutcome = (): DrillOutcome =>
  JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "") as DrillOutcome;

function openUndos(): Undo[] {
  return readdirSync(journals)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => openIntents(readJournal(join(journals, name))).map(({ undo }) => undo));
}

function findWatchdog(runnerPid: number): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (command.includes("watchdog.ts") && status.includes(`PPid:\t${runnerPid}\n`))
        return Number(pid);
    } catch {
      // It ended while we looked.
    }
  }
  throw new Error("the runner has no watchdog");
}
