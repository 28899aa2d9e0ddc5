import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryDriver } from "../../../agents/drivers/memory.ts";
import { versionOf, virtualPools } from "./support/virtual-pools.ts";

const quick = () => createMemoryDriver(() => () => "done");

test("a minimum is there before the first call, survives the idle limits, and is there again when it was killed", async (t) => {
  const driver = quick();
  const { pools, advance, count } = virtualPools(t, driver);
  const of = versionOf("kept", { minInstances: 2 });
  pools.place("function/demo/kept", [of]);
  await advance(1_000);
  assert.equal(count("idle"), 2);
  await advance(300_000);
  assert.equal(count("idle"), 2);
  const before = driver.list().map(({ id }) => id);
  driver.list()[0]?.kill();
  await advance(2_000);
  assert.equal(count("idle"), 2);
  assert.notDeepEqual(
    driver.list().map(({ id }) => id),
    before,
  );
});

test("provisioned instances are idle beside those that work, so that the next call never waits", async (t) => {
  const release = Promise.withResolvers<string>();
  const world = virtualPools(
    t,
    createMemoryDriver(() => () => release.promise),
  );
  const of = versionOf("spare", { provisioned: 2, maxInstances: 4 });
  world.pools.place("function/demo/spare", [of]);
  await world.advance(500);
  assert.equal(world.count("idle"), 2);
  const calls = [1, 2, 3].map(() => world.call(of));
  await world.advance(1_000);
  assert.equal(world.count("busy"), 3);
  assert.equal(world.count("idle"), 1, "four is its maximum");
  release.resolve("done");
  assert.ok((await Promise.all(calls)).every(({ kind }) => kind === "result"));
  await world.advance(20_000);
  assert.equal(world.count("idle"), 2);
});

test("what the table does not name any more is not kept, and neither is an older version", async (t) => {
  const { pools, advance, count } = virtualPools(t, quick());
  const [first, second] = [1, 2].map((number) => versionOf("kept", { minInstances: 2 }, number));
  assert.ok(first !== undefined && second !== undefined);
  pools.place("function/demo/kept", [first]);
  await advance(500);
  pools.place("function/demo/kept", [second]);
  await advance(120_000);
  assert.equal(count("idle"), 2);
  assert.deepEqual(
    pools.loads().flatMap(({ version, instances }) => instances.map(() => version)),
    [2, 2],
  );
  pools.place("function/demo/kept", []);
  await advance(120_000);
  assert.equal(count("idle"), 0);
});

test("calls come before spares: a full cluster gives what nobody was promised, and half of it stays for calls", async (t) => {
  const { pools, call, advance, count } = virtualPools(t, quick(), { instancesMax: 4 });
  pools.place("function/demo/greedy", [versionOf("greedy", { minInstances: 10 })]);
  await advance(5_000);
  assert.equal(count("idle"), 2, "half of the cluster");
  const names = ["a", "b", "c", "d", "e", "f"];
  const outcomes = names.map((name) => call(versionOf(name)));
  await advance(5_000);
  assert.ok((await Promise.all(outcomes)).every(({ kind }) => kind === "result"));
  const kept = pools.loads().find(({ functionName }) => functionName === "greedy");
  assert.equal(kept?.instances.length, 2, "nobody took what was promised");
});

test("spares that cannot start are tried again, not all the time", async (t) => {
  let loads = 0;
  const driver = createMemoryDriver(() => {
    loads += 1;
    throw new Error("broken");
  });
  const { pools, advance } = virtualPools(t, driver);
  pools.place("function/demo/broken", [versionOf("broken", { minInstances: 3 })]);
  await advance(60_000);
  assert.ok(loads > 3 && loads < 40, `${loads} starts in a minute`);
});

test("calls that are expected find their instances, and those end when nobody came", async (t) => {
  const { pools, advance, count } = virtualPools(t, quick());
  const of = versionOf("taken-over");
  pools.expect([{ of, calls: 3 }]);
  await advance(500);
  assert.equal(count("idle"), 3);
  await advance(60_000);
  assert.equal(count("idle"), 3);
  pools.expect([]);
  await advance(120_000);
  assert.equal(count("idle"), 0);
});

test("a function that is called every two minutes has its instance shortly before, and not meanwhile", async (t) => {
  const { call, advance, count } = virtualPools(t, quick());
  const of = versionOf("timer");
  for (let round = 0; round < 10; round += 1) {
    const outcome = call(of);
    await advance(1_000);
    assert.equal((await outcome).kind, "result");
    await advance(119_000);
  }
  assert.equal(count("idle"), 1, "it is due");
  await call(of);
  await advance(20_000);
  assert.equal(count("idle"), 0, "it is not due for long");
  await advance(100_000);
  assert.equal(count("idle"), 1);
  await advance(120_000);
  assert.equal(count("idle"), 0, "it did not come");
});

test("with `kpa` the first call starts one at once, a surge more, and all of it ends after the window", async (t) => {
  const running = new Set<() => void>();
  const handler = () => new Promise<void>((resolve) => void running.add(resolve));
  const { call, advance, count } = virtualPools(
    t,
    createMemoryDriver(() => handler),
  );
  const of = versionOf("surge", { mode: "kpa", maxInstances: 20 });
  const first = call(of);
  await advance(250);
  assert.equal(count("busy"), 1);
  const more = Array.from({ length: 9 }, () => call(of));
  await advance(30_000);
  assert.equal(count("busy"), 10);
  assert.ok(count("idle") >= 4, "ten calls at 70 % need fifteen");
  for (const end of running) end();
  await Promise.all([first, ...more]);
  await advance(50_000);
  assert.ok(count("idle") > 0, "the window still has them");
  await advance(60_000);
  assert.equal(count("idle"), 0);
  const again = call(of);
  await advance(250);
  for (const end of running) end();
  assert.equal((await again).kind, "result");
});
