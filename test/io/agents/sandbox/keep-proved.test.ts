import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { keepProved } from "../../../../agents/drivers/sandbox/keep-proved.ts";

/** All promises that wait for no timer are settled. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

function world(t: TestContext, prove: () => Promise<void>) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const failures: string[] = [];
  const proof = keepProved({ prove, onFailed: (error) => failures.push(String(error)) });
  t.after(proof.close);
  const advance = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await settled();
  };
  return { proof, failures, advance };
}

test("a proof that fails is told at once, and tried again, twice as long after each failure", async (t) => {
  let tries = 0;
  const { proof, failures, advance } = world(t, () => {
    tries += 1;
    return tries < 4 ? Promise.reject(new Error(`failure ${tries}`)) : Promise.resolve();
  });
  proof.proveSoon(0);
  await advance(0);
  await proof.tried;
  assert.equal(proof.trouble(), "failure 1");
  for (const [pauseMs, triesThen] of [
    [999, 1],
    [1, 2],
    [1_999, 2],
    [1, 3],
    [3_999, 3],
    [1, 4],
    [600_000, 4],
  ] as const) {
    await advance(pauseMs);
    assert.equal(tries, triesThen);
  }
  assert.equal(proof.trouble(), undefined);
  assert.equal(failures.length, 3);
});

test("what is to be proved while a proof is under way is proved after it", async (t) => {
  const underway: PromiseWithResolvers<void>[] = [];
  const { proof, advance } = world(t, () => {
    const next = Promise.withResolvers<void>();
    underway.push(next);
    return next.promise;
  });
  proof.proveSoon(0);
  await advance(0);
  proof.proveSoon(0);
  proof.proveSoon(0);
  await advance(0);
  assert.equal(underway.length, 1);
  underway[0]?.resolve();
  await settled();
  await advance(0);
  assert.equal(underway.length, 2);
  underway[1]?.resolve();
  await settled();
  await advance(600_000);
  assert.equal(underway.length, 2);
});

test("who waits for a proof waits no longer than there is somebody to prove", async (t) => {
  const { proof, failures, advance } = world(t, () => Promise.reject(new Error("too late")));
  proof.proveSoon(10);
  proof.close();
  await proof.tried;
  proof.proveSoon(0);
  await advance(600_000);
  assert.deepEqual(failures, []);
});
