import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "#lib/io/system-clock.ts";
import type { ProgramName, ProgramPlan } from "../../../cli/up/core/plan-programs.ts";
import { identifyProcess, isStillRunning } from "#lib/io/process-identity.ts";
import { spawnProgram } from "../../../cli/up/io/spawn-program.ts";
import { createSupervisor, type Supervisor } from "../../../cli/up/supervisor.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Beats, is ready, ends on SIGTERM, drains without an end on SIGUSR2, and as an agent reports a child of its own, which ends some time. */
const PROGRAM = `
  const { spawn } = await import("node:child_process");
  process.send({ kind: "ready" });
  setInterval(() => process.send({ kind: "beat" }), 50);
  process.on("SIGTERM", () => process.exit(0));
  process.on("SIGUSR2", () => process.send({ kind: "draining" }));
  process.on("disconnect", () => process.exit(0));
  if (process.argv[1] === "agent") {
    const launcher = spawn(process.execPath, ["-e", "setTimeout(() => undefined, 20000)"], { stdio: "ignore" });
    process.send({ kind: "pids", pids: [launcher.pid] });
  }
  process.send({ kind: "nonsense" });
`;

test("a zone starts, reports what it runs, and drains without leaving anything", async (context) => {
  const { supervisor } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  await until(() => supervisor.processes("here").length === 4);
  const processes = supervisor.processes("here");
  await supervisor.stop("here", "drain");
  assert.deepEqual(processes.filter(isStillRunning), []);
  assert.deepEqual(supervisor.processes("here"), []);
  assert.ok(supervisor.status("here").every(({ state }) => state === "stopped"));
});

test("one program that dies is started again, and it is said", async (context) => {
  const { supervisor, said } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  const before = pidOf(supervisor, "federator");
  process.kill(before, "SIGKILL");
  await until(() => pidOf(supervisor, "federator") !== before);
  await allReady(supervisor);
  assert.deepEqual(said, ["here federator was ended by SIGKILL: starting it again in 0.1 s"]);
});

test("a zone that loses all three at once stays down until it is started", async (context) => {
  const { supervisor, fallen } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  await until(() => supervisor.processes("here").length === 4);
  for (const { pid } of supervisor.processes("here")) process.kill(pid, "SIGKILL");
  await until(() => fallen.length === 1);
  await sleep(300);
  assert.ok(supervisor.status("here").every(({ state }) => state === "stopped"));
  supervisor.start("here");
  await allReady(supervisor);
});

test("a zone kill takes the launcher along", async (context) => {
  const { supervisor, fallen } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  await until(() => supervisor.processes("here").length === 4);
  const processes = supervisor.processes("here");
  await supervisor.stop("here", "kill");
  await until(() => !processes.some(isStillRunning));
  assert.deepEqual(fallen, [], "it was killed on purpose, it did not fall");
});

test("a frozen gateway is withdrawn and started again; a frozen agent is left alone", async (context) => {
  const { supervisor, said } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  const [gateway, agent] = [pidOf(supervisor, "gateway"), pidOf(supervisor, "agent")];
  process.kill(agent, "SIGSTOP");
  process.kill(gateway, "SIGSTOP");
  await until(() => pidOf(supervisor, "gateway") !== gateway);
  assert.match(said.join("\n"), /here gateway gives no sign of life: withdrawn/);
  assert.equal(pidOf(supervisor, "agent"), agent);
  assert.ok(identifyProcess(agent) !== undefined);
});

test("a gateway is replaced: its successor serves before it is told to end, and nobody calls that a death", async (context) => {
  const { supervisor, said, bequeathed, vacated } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  const before = pidOf(supervisor, "gateway");
  const replacement = await supervisor.replace("here", "gateway");
  const after = pidOf(supervisor, "gateway");
  assert.notEqual(after, before);
  assert.deepEqual(replacement, { kind: "replaced", by: after });
  assert.deepEqual(bequeathed, ["gateway to gateway.2"]);
  assert.deepEqual(vacated, ["gateway"]);
  await supervisor.replace("here", "gateway.2");
  assert.deepEqual(bequeathed, ["gateway to gateway.2", "gateway.2 to gateway"]);
  assert.deepEqual(said, []);
  assert.equal(supervisor.status("here").length, 3);
});

test("a gateway that somebody tells to end has a successor before it has ended", async (context) => {
  const { supervisor, said, vacated } = await superviseZone(context);
  supervisor.start("here");
  await allReady(supervisor);
  const before = pidOf(supervisor, "gateway");
  process.kill(before, "SIGUSR2");
  await until(() => vacated.includes("gateway"));
  assert.notEqual(pidOf(supervisor, "gateway"), before);
  await allReady(supervisor);
  assert.deepEqual(said, []);
});

test("a successor that dies is given up, and the gateway goes on", async (context) => {
  const { supervisor } = await superviseZone(context, "gateway.2");
  supervisor.start("here");
  await allReady(supervisor);
  const before = pidOf(supervisor, "gateway");
  assert.deepEqual(await supervisor.replace("here", "gateway"), {
    kind: "not-replaced",
    why: "not-ready",
  });
  assert.equal(pidOf(supervisor, "gateway"), before);
  assert.ok(supervisor.status("here").every(({ state }) => state === "ready"));
});

async function superviseZone(
  context: TestContext,
  failing?: string,
): Promise<{
  readonly supervisor: Supervisor;
  readonly said: readonly string[];
  readonly fallen: readonly string[];
  readonly bequeathed: readonly string[];
  readonly vacated: readonly string[];
}> {
  const folder = await temporaryFolder(context);
  const said: string[] = [];
  const fallen: string[] = [];
  const bequeathed: string[] = [];
  const vacated: string[] = [];
  const plan = (program: ProgramName, name: string = program): ProgramPlan => ({
    name,
    program,
    isSpare: name !== program,
    zone: "here",
    entry: "",
    config: {},
    configFile: "",
    logFile: join(folder, `${program}.log`),
  });
  const plans = [plan("federator"), plan("agent"), plan("gateway"), plan("gateway", "gateway.2")];
  const supervisor = createSupervisor(plans, {
    clock: systemClock,
    say: (text) => said.push(text),
    onDied: () => undefined,
    onFell: (group) => fallen.push(group),
    onProcessesChanged: () => undefined,
    bequeath: (from, to) => bequeathed.push(`${from.name} to ${to.name}`),
    onVacated: ({ name }) => vacated.push(name),
    spawn: ({ program, name, logFile }, onMessage) =>
      spawnProgram(
        {
          args: ["--input-type=module", "-e", name === failing ? "" : PROGRAM, program],
          workingDirectory: folder,
          logFile,
          environment: process.env,
        },
        onMessage,
      ),
  });
  context.after(async () => {
    supervisor.killAll();
    await supervisor.stopAll();
  });
  return { supervisor, said, fallen, bequeathed, vacated };
}

const pidOf = (supervisor: Supervisor, program: ProgramName): number =>
  supervisor.status("here").find((one) => one.program === program)?.pid ?? 0;

const allReady = (supervisor: Supervisor): Promise<void> =>
  until(() => supervisor.status("here").every(({ state }) => state === "ready"));

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = systemClock.nowMs() + 20_000;
  while (!holds()) {
    assert.ok(systemClock.nowMs() < deadlineMs, `not within 20 s: ${String(holds)}`);
    await sleep(10);
  }
}
