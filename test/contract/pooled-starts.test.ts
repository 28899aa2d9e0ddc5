import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hasPython } from "../support/has-python.ts";
import type { Instance, InstanceDriver, InstanceSpec } from "../../agents/drivers/driver.ts";
import { openProcessDriver } from "./open-process-driver.ts";

const FUNCTIONS = join(import.meta.dirname, "functions");
const POOL_MEGABYTES = 48;
const WAIT_MAX_MS = 20_000;

const spec: InstanceSpec = {
  tenant: "demo",
  functionName: "pooled",
  version: 1,
  runtime: "node",
  handler: "surroundings.look",
  codeDirectory: FUNCTIONS,
  memoryMegabytes: 128,
  concurrency: 1,
  environment: { STAGE: "first" },
  initTimeoutMs: 10_000,
};

/** Starts one after the other until one had a process that waited for it; how many that took is the machine's matter. */
async function startPooled(driver: InstanceDriver, of: InstanceSpec): Promise<Instance> {
  const untilMs = performance.now() + WAIT_MAX_MS;
  for (;;) {
    const instance = driver.start(of, () => undefined);
    const started = await instance.started;
    assert.equal(started.kind, "ready", JSON.stringify(started));
    if (started.isPooled === true) return instance;
    instance.kill();
    await instance.ended;
    if (performance.now() > untilMs) throw new Error("no runner waited for it in time");
    await sleep(50);
  }
}

async function look(instance: Instance): Promise<Record<string, unknown>> {
  const header = {
    requestId: "r-1",
    deadlineMs: 5_000,
    tenant: "demo",
    functionName: "pooled",
    functionVersion: "1",
    memoryMegabytes: 128,
  };
  const json = Buffer.from("{}");
  const end = await instance.invoke(header, { kind: "event", json }).outcome;
  assert.equal(end.kind, "result", JSON.stringify(end));
  return JSON.parse(end.json.toString("utf8"));
}

const RUNTIMES = ["node", ...(hasPython() ? (["python"] as const) : [])] as const;

for (const runtime of RUNTIMES) {
  test(`${runtime}: a runner that waited has all that a process of its own would have`, async (t) => {
    const driver = await openProcessDriver(t, POOL_MEGABYTES);
    const cold = driver.start(
      { ...spec, runtime, environment: { ...spec.environment, TZ: "UTC" } },
      () => undefined,
    );
    const started = await cold.started;
    assert.equal(started.kind === "ready" && started.isPooled, false);
    const pooled = await startPooled(driver, { ...spec, runtime });
    const [own, other] = [await look(cold), await look(pooled)];
    assert.equal(other["stage"], "first");
    assert.equal(other["name"], pooled.id);
    assert.deepEqual({ ...other, name: "" }, { ...own, name: "" });
  });

  test(`${runtime}: a runner becomes the instance of one function and of no other`, async (t) => {
    const driver = await openProcessDriver(t, POOL_MEGABYTES);
    const seen = new Set<string>();
    for (const stage of ["one", "two", "three"]) {
      const instance = await startPooled(driver, {
        ...spec,
        runtime,
        environment: { STAGE: stage },
      });
      const { calls, stage: told } = await look(instance);
      assert.deepEqual({ calls, told }, { calls: 1, told: stage });
      assert.ok(!seen.has(instance.id), `${instance.id} was an instance before`);
      seen.add(instance.id);
    }
  });
}

test("runners that wait are no instances, and end with the driver", async (t) => {
  const driver = await openProcessDriver(t, POOL_MEGABYTES);
  const instance = await startPooled(driver, spec);
  assert.deepEqual(
    driver.list().map(({ id }) => id),
    [instance.id],
  );
  await driver.close();
  assert.equal((await instance.ended).kind, "signal");
});

test("a function whose code does not load fails in a runner as it would in its own process", async (t) => {
  const driver = await openProcessDriver(t, POOL_MEGABYTES);
  await startPooled(driver, spec);
  const instance = driver.start({ ...spec, handler: "broken.handler" }, () => undefined);
  const started = await instance.started;
  assert.equal(started.kind, "init-failed");
  assert.match(started.error.errorMessage, /a-package-that-is-not-there/);
  await instance.ended;
});
