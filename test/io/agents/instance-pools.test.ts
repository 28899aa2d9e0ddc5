import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { InstanceDriver } from "../../../agents/drivers/driver.ts";
import { createMemoryDriver, type MemoryHandler } from "../../../agents/drivers/memory.ts";
import { agentMetrics } from "../../../agents/io/agent-metrics.ts";
import { MeridianError } from "#lib/errors.ts";
import { startsAtOnce } from "../../../agents/io/exchange.ts";
import { type InstancePools, instancePools } from "../../../agents/io/instance-pools.ts";
import type { PoolVersion } from "../../../agents/io/pool-version.ts";
import { eventually } from "./support/agent-world.ts";

test("a tenant runs no more calls side by side than its concurrency, over all its functions", async (t) => {
  let running = 0;
  let runningMax = 0;
  const { run } = startPools(t, {
    concurrencyMax: 3,
    handler: async () => {
      running += 1;
      runningMax = Math.max(runningMax, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
    },
  });
  const names = ["a", "b", "c", "d"];
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, index) => run(placed(names[index % 4] ?? ""))),
  );
  assert.ok(outcomes.every(({ kind }) => kind === "result"));
  assert.equal(runningMax, 3);
});

test("an instance that exits takes no other call, and those that wait get new ones", async (t) => {
  let started = 0;
  const { run, driver } = startPools(t, {
    instancesMax: 1,
    handler: (_event, { exit }) => {
      started += 1;
      return exit(1);
    },
  });
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => run(placed("quits"))));
  assert.equal(started, 20);
  for (const outcome of outcomes) {
    assert.equal(outcome.kind, "function-error");
    assert.equal(outcome.error.errorType, "Runtime.ExitError");
  }
  await eventually(() => driver.list().length === 0);
});

test("each failed start answers one waiting call, a crash loop all of them without a start", async (t) => {
  let loads = 0;
  const { run } = startPools(t, {
    startsMax: 1,
    load: () => {
      loads += 1;
      throw new TypeError("broken");
    },
  });
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => run(placed("broken"))));
  for (const outcome of outcomes) {
    assert.equal(outcome.kind, "function-error");
    assert.equal(outcome.errorKind, "Unhandled");
    assert.equal(outcome.error.errorMessage, "broken");
  }
  assert.equal(loads, 5);
  await run(placed("broken"));
  assert.equal(loads, 5);
});

test("code that is nowhere refuses every waiting call, so that it may go elsewhere", async (t) => {
  const { run } = startPools(t, {
    hold: () =>
      Promise.reject(new MeridianError("MERIDIAN_CODE_UNAVAILABLE", "No store could give it.")),
  });
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => run(placed("hello"))));
  for (const outcome of outcomes) {
    assert.equal(outcome.kind, "failed");
    assert.equal(outcome.isExecuted, false);
    assert.equal(outcome.error.code, "MERIDIAN_CODE_UNAVAILABLE");
  }
});

test("a version that is made anew under its old number gets instances of its own", async (t) => {
  const { run, pools, driver } = startPools(t, { handler: () => "done" });
  const old = placed("hello");
  const same = placed("hello");
  const changed = placed("hello", { environment: { A: "b" } });
  await run(old);
  pools.keepKnown(() => same);
  await run(same);
  assert.equal(driver.list().length, 1, "an equal version is the same version");
  pools.keepKnown(() => changed);
  await eventually(() => driver.list().length === 0);
  await run(changed);
  assert.equal(driver.list().length, 1);
});

test("a version that the table does not know finishes what runs, refuses what waits, and is not ended for it", async (t) => {
  const release = Promise.withResolvers<string>();
  const { run, pools, driver } = startPools(t, {
    instancesMax: 1,
    handler: () => release.promise,
  });
  const first = run(placed("hello"));
  const second = run(placed("hello"));
  await eventually(() => pools.loads()[0]?.instances[0]?.state.kind === "busy");
  pools.keepKnown(() => undefined);
  const refused = await second;
  assert.ok(refused.kind === "failed" && !refused.isExecuted);
  release.resolve("done");
  assert.equal((await first).kind, "result");
  assert.equal(driver.list().length, 1, "a wrong table costs no instance");
  assert.deepEqual(
    pools.loads().map(({ isQuarantined }) => isQuarantined),
    [true],
  );
  pools.keepKnown((of) => of);
  assert.deepEqual(
    pools.loads().map(({ isQuarantined }) => isQuarantined),
    [false],
  );
});

test("in a full cluster what has rested at one version makes room for the waiting calls of another that has some", async (t) => {
  let aheadMs = 0;
  let running = 0;
  const opening = Promise.withResolvers<void>();
  const { run } = startPools(t, {
    instancesMax: 4,
    clock: { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs },
    handler: async (event) => {
      if (event === null) return;
      running += 1;
      await opening.promise;
    },
  });
  await Promise.all(["a", "a", "a"].map((name) => run(placed(name))));
  const busy = placed("b");
  const calls = [run(busy, '"wait"'), run(busy, '"wait"')];
  await eventually(() => running === 1);
  aheadMs = 1_500;
  calls.push(run(busy, '"wait"'), run(busy, '"wait"'));
  await eventually(() => running === 4);
  opening.resolve();
  await Promise.all(calls);
});

test("code is held as long as an instance lives", async (t) => {
  let held = 0;
  const { run, pools } = startPools(t, {
    handler: () => "done",
    hold: () => {
      held += 1;
      return Promise.resolve({ directory: "/", release: () => (held -= 1) });
    },
  });
  await run(placed("hello"));
  assert.equal(held, 1);
  pools.close();
  await eventually(() => held === 0);
});

interface PoolsWorld {
  readonly handler?: MemoryHandler;
  readonly load?: () => MemoryHandler;
  readonly hold?: () => Promise<{ readonly directory: string; readonly release: () => void }>;
  readonly instancesMax?: number;
  readonly startsMax?: number;
  readonly concurrencyMax?: number;
  readonly clock?: Clock;
}

function startPools(t: TestContext, world: PoolsWorld) {
  const driver: InstanceDriver = createMemoryDriver(
    world.load ?? (() => world.handler ?? (() => null)),
  );
  const code = {
    hold: world.hold ?? (() => Promise.resolve({ directory: "/", release: () => undefined })),
    has: () => true,
    bytesMax: 1,
    close: () => Promise.resolve(),
  };
  const pools: InstancePools = instancePools(
    {
      driver,
      code,
      secrets: { environmentOf: () => Promise.resolve({}) },
      clock: world.clock ?? systemClock,
      metrics: agentMetrics(new Registry(), {
        loads: () => [],
        isolation: () => undefined,
        clock: systemClock,
      }),
      usage: { callBegan: () => () => undefined },
      onLog: () => undefined,
    },
    {
      instancesMax: world.instancesMax ?? 100,
      startsMax: world.startsMax ?? 100,
      queueLengthMax: 1_000,
      initTimeoutMs: 1_000,
      extraIdleMs: 10_000,
      lastIdleMs: 60_000,
    },
    () => world.concurrencyMax ?? 100,
  );
  t.after(async () => {
    pools.close();
    await driver.close();
  });
  const run = (of: PoolVersion, json = "null") =>
    pools.run(of, {
      requestId: "r-1",
      input: { kind: "event", json: Buffer.from(json) },
      deadlineAtMs: systemClock.nowMs() + 20_000,
      signal: new AbortController().signal,
      leave: startsAtOnce,
    });
  return { run, pools, driver };
}

function placed(functionName: string, changes: Partial<FunctionManifest> = {}): PoolVersion {
  const manifest = Value.Parse(
    FunctionManifest,
    Value.Default(FunctionManifest, { name: functionName, placement: {}, ...changes }),
  );
  const codeDigest = `sha256:${"0".repeat(64)}`;
  return {
    tenant: "demo",
    functionName,
    version: { version: 1, codeDigest, codeBytes: 1, manifest },
  };
}
