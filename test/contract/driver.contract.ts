import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  CallEnd,
  Instance,
  InstanceDriver,
  InstanceLog,
} from "../../agents/drivers/driver.ts";

/** What a function of the contract does; every harness has one for each name, or says why it cannot. */
export const BEHAVIOURS = [
  "echoes",
  "answersNothing",
  "throws",
  "neverAnswers",
  "exitsWith7",
  "printsOneLine",
  "sleepsEventMs",
  "doesNotLoad",
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export interface DriverHarness {
  readonly driver: InstanceDriver;
  readonly start: (
    behaviour: Behaviour,
    onLog?: (line: InstanceLog) => void,
    concurrency?: number,
  ) => Instance;
}

/** What every instance driver must do; `open` makes a fresh one for each test and closes it afterwards. */
export function driverContract(
  name: string,
  open: (t: TestContext) => Promise<DriverHarness>,
): void {
  const it = (sentence: string, run: (harness: DriverHarness) => Promise<void>): void => {
    void test(`${name}: ${sentence}`, async (t) => run(await open(t)));
  };

  it("an instance says that it is ready, runs a call and is listed", async ({ start, driver }) => {
    const instance = await ready(start("echoes"));
    const json = await result(call(instance, "r-1", { a: [1, "ü"] }));
    assert.deepEqual(json, { event: { a: [1, "ü"] }, requestId: "r-1" });
    assert.deepEqual(
      driver.list().map(({ id }) => id),
      [instance.id],
    );
  });

  it("a handler that returns nothing has an empty result", async ({ start }) => {
    const end = await call(await ready(start("answersNothing")), "r-1", null);
    assert.deepEqual(end, { kind: "result", json: Buffer.alloc(0) });
  });

  it("a handler that throws ends its call and not its instance", async ({ start }) => {
    const instance = await ready(start("throws"));
    for (const requestId of ["r-1", "r-2"]) {
      const end = await call(instance, requestId, {});
      assert.equal(end.kind, "error");
      assert.equal(end.error.errorMessage, "too far");
    }
  });

  it("an instance that exits ends its call and says how", async ({ start, driver }) => {
    const instance = await ready(start("exitsWith7"));
    const end = await call(instance, "r-1", {});
    assert.deepEqual(end, { kind: "ended", end: { kind: "exit", code: 7 } });
    assert.deepEqual(await instance.ended, { kind: "exit", code: 7 });
    assert.deepEqual(driver.list(), []);
    assert.deepEqual(await call(instance, "r-2", {}), { kind: "not-begun" });
  });

  it("killing ends an instance whatever it does, once and for all", async ({ start, driver }) => {
    const instance = await ready(start("neverAnswers"));
    const running = call(instance, "r-1", {});
    instance.kill();
    instance.kill();
    assert.equal((await instance.ended).kind, "signal");
    assert.equal((await running).kind, "ended");
    assert.deepEqual(driver.list(), []);
  });

  it("a call to an instance that was told to end is not begun", async ({ start }) => {
    const instance = await ready(start("echoes"));
    instance.kill();
    assert.deepEqual(await call(instance, "r-1", {}), { kind: "not-begun" });
    await instance.ended;
  });

  it("cancelling a call leaves the instance alive", async ({ start, driver }) => {
    const instance = await ready(start("neverAnswers"));
    const running = instance.invoke(header("r-1"), { kind: "event", json: Buffer.from("{}") });
    running.cancel();
    assert.equal(driver.list().length, 1);
    instance.kill();
    assert.equal((await running.outcome).kind, "ended");
    running.cancel();
  });

  it("what a call prints carries its request id", async ({ start }) => {
    const lines: InstanceLog[] = [];
    const instance = await ready(start("printsOneLine", (line) => lines.push(line)));
    await call(instance, "r-1", {});
    // Some runtimes just print, and what they print comes another way than their answer.
    await until(() => lines.length > 0);
    assert.deepEqual(
      lines.map(({ requestId, text }) => ({ requestId, text: text.trim() })),
      [{ requestId: "r-1", text: "one line" }],
    );
  });

  it("calls of one instance run side by side and end with their own results", async ({ start }) => {
    const instance = await ready(start("sleepsEventMs", undefined, 3));
    const order: number[] = [];
    await Promise.all(
      [240, 80, 160].map(async (ms) => {
        assert.deepEqual(await result(call(instance, `r-${ms}`, { ms })), { ms });
        order.push(ms);
      }),
    );
    assert.deepEqual(order, [80, 160, 240]);
  });

  it("a function that does not load fails its start with the reason and leaves nothing", async ({
    start,
    driver,
  }) => {
    const instance = start("doesNotLoad");
    const started = await instance.started;
    assert.equal(started.kind, "init-failed");
    assert.match(started.error.errorMessage, /a-package-that-is-not-there/);
    instance.kill();
    await instance.ended;
    assert.deepEqual(driver.list(), []);
  });

  it("an instance that is killed while it starts is not started", async ({ start }) => {
    const instance = start("echoes");
    instance.kill();
    assert.equal((await instance.started).kind, "not-started");
    await instance.ended;
  });

  it("a driver that has not started anything closes", ({ driver }) => driver.close());

  it("closing the driver ends what is still starting", async ({ start, driver }) => {
    const instance = start("echoes");
    await driver.close();
    assert.equal((await instance.started).kind, "not-started");
    await instance.ended;
    assert.deepEqual(driver.list(), []);
  });

  it("closing the driver ends every instance", async ({ start, driver }) => {
    const instances = await Promise.all([1, 2, 3].map(() => ready(start("neverAnswers"))));
    const running = instances.map((instance) => call(instance, "r-1", {}));
    await driver.close();
    await Promise.all(instances.map(({ ended }) => ended));
    for (const end of await Promise.all(running)) assert.equal(end.kind, "ended");
    assert.deepEqual(driver.list(), []);
  });
}

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`not within 10 s: ${String(holds)}`);
    await sleep(5);
  }
}

async function ready(instance: Instance): Promise<Instance> {
  const started = await instance.started;
  assert.equal(started.kind, "ready", JSON.stringify(started));
  return instance;
}

const header = (requestId: string) => ({
  requestId,
  deadlineMs: 5_000,
  tenant: "demo",
  functionName: "contract",
  functionVersion: "1",
  memoryMegabytes: 128,
});

const call = (instance: Instance, requestId: string, event: unknown): Promise<CallEnd> =>
  instance.invoke(header(requestId), { kind: "event", json: Buffer.from(JSON.stringify(event)) })
    .outcome;

async function result(ending: Promise<CallEnd>): Promise<unknown> {
  const end = await ending;
  assert.equal(end.kind, "result", JSON.stringify(end));
  return JSON.parse(end.json.toString("utf8"));
}
