import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { hasPython } from "../../support/has-python.ts";
import type { InstanceDriver, InstanceSpec } from "../../../agents/drivers/driver.ts";
import { createProcessDriver } from "../../../agents/drivers/process.ts";
import { cpuMs } from "../../../bench/cold-start/process-cost.ts";
import { processTree } from "../../../bench/processes.ts";
import { startAgentHere, eventually } from "./support/agent-world.ts";

/*
 * What a start costs in processor time, which a busy machine hardly changes: so much that only a start that does again what was done
 * before would be above. `npm run bench -- cold-start` says what it is.
 */
const POOLED_CPU_MAX_MS = 20;
const WAIT_MAX_MS = 20_000;
const HEADER = {
  requestId: "r-1",
  deadlineMs: 5_000,
  tenant: "demo",
  functionName: "cost",
  functionVersion: "1",
  memoryMegabytes: 128,
};

interface Measured {
  readonly driver: InstanceDriver;
  /** Of the launcher's processes, each with all that it started. */
  readonly costs: () => ReadonlyMap<number, number>;
}

async function openDriver(t: TestContext): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), "cost-"));
  let pids: readonly number[] = [];
  const driver = await createProcessDriver({
    stateDirectory: directory,
    socketDirectory: directory,
    launcherGraceMs: 2_000,
    poolMegabytesMax: 48,
    log: pino({ level: "silent" }),
    onPids: (newest) => (pids = newest),
  });
  t.after(async () => {
    await driver.close();
    await rm(directory, { recursive: true, force: true });
  });
  // The first is the launcher.
  const costs = () =>
    new Map(
      pids.slice(1).map((pid) => [pid, processTree(pid).reduce((sum, one) => sum + cpuMs(one), 0)]),
    );
  return { driver, costs };
}

/** Processor time of a runner from its being taken to the answer. */
async function measurePooled({ driver, costs }: Measured, spec: InstanceSpec): Promise<number> {
  const untilMs = performance.now() + WAIT_MAX_MS;
  while (performance.now() < untilMs) {
    const before = costs();
    const instance = driver.start(spec, () => undefined);
    const started = await instance.started;
    assert.equal(started.kind, "ready", JSON.stringify(started));
    const json = Buffer.from("{}");
    const end = await instance.invoke(HEADER, { kind: "event", json }).outcome;
    assert.equal(end.kind, "result");
    const after = costs();
    instance.kill();
    await instance.ended;
    // Runners that come meanwhile are not among those that were there.
    if (started.isPooled === true)
      return Math.max(...[...before].map(([pid, usedMs]) => (after.get(pid) ?? 0) - usedMs));
    await sleep(50);
  }
  throw new Error("no runner waited for it in time");
}

for (const runtime of ["node", ...(hasPython() ? (["python"] as const) : [])] as const)
  test(`${runtime}: a start in a runner that waited costs no start of a runtime`, async (t) => {
    const measured = await openDriver(t);
    const spec: InstanceSpec = {
      tenant: "demo",
      functionName: "cost",
      version: 1,
      runtime,
      handler: "surroundings.look",
      codeDirectory: join(import.meta.dirname, "../../contract/functions"),
      memoryMegabytes: 128,
      concurrency: 1,
      environment: {},
      initTimeoutMs: 10_000,
    };
    const costs: number[] = [];
    for (let start = 0; start < 3; start += 1) costs.push(await measurePooled(measured, spec));
    assert.ok(Math.min(...costs) < POOLED_CPU_MAX_MS, `${costs.join(", ")} ms`);
  });

test("a provisioned instance has loaded its code before the first call, which does not wait", async (t) => {
  const scaling = { provisioned: 1, maxInstances: 2 };
  const agent = await startAgentHere(t, [
    { name: "spare", manifest: { handler: "node.echo", scaling } },
  ]);
  const isIdle = async (): Promise<boolean> =>
    /^meridian_agent_instances\{[^}]*state="idle"[^}]*\} 1$/m.test(
      await (await fetch(`${agent.adminUrl}/metrics`)).text(),
    );
  await eventually(isIdle);
  const first = await agent.invoke("spare", { json: { name: "Ada" } });
  assert.equal(first.status, 200);
  assert.equal(first.headers["meridian-cold-start"], "false");
  // Another takes the place of the one that works, or the same is idle again.
  await eventually(isIdle);
});
