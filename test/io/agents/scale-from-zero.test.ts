import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "#lib/ports/random.ts";
import { seededRandom } from "../../../chaos/core/seeded-random.ts";
import type { Instance, InstanceDriver } from "../../../agents/drivers/driver.ts";
import { createMemoryDriver } from "../../../agents/drivers/memory.ts";
import type { CallOutcome } from "../../../agents/io/call-outcome.ts";
import { versionOf, virtualPools, type VirtualPools } from "./support/virtual-pools.ts";

const CYCLES = 10_000;
const SEED = 20_261_121;
/** As a gateway, which gives a call that was not executed to this many clusters. */
const ATTEMPTS_MAX = 3;

test(`${CYCLES} times from zero, with starts that fail, are slow or die and a clock that jumps: no call is lost`, async (t) => {
  const random = seededRandom(SEED);
  const faults = { failed: 0, slow: 0, died: 0, jumped: 0, refused: 0 };
  const driver = faultyDriver(random, faults);
  const world = virtualPools(t, driver, { lastIdleMs: 1_000 });
  const versions = [
    versionOf("plain"),
    versionOf("kpa", { mode: "kpa", stableWindow: "6s", scaleToZeroGracePeriod: "6s" }),
    versionOf("capped", { maxInstances: 1 }),
  ];
  const answers: Record<string, number> = {};
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const of = versions[cycle % versions.length] ?? assert.fail("there is a version");
    const calls = Array.from({ length: 1 + Math.floor(random.next() * 3) }, () =>
      answered(world, () => world.call(of), faults),
    );
    const all = settledFlag(Promise.all(calls));
    // No call has more time than its deadline of a minute, or three of them.
    for (let waitedMs = 0; !all.isSettled() && waitedMs < 180_000; waitedMs += 500) {
      if (random.next() < 0.02) {
        faults.jumped += 1;
        world.jump(Math.floor(random.next() * 5_000));
      }
      await world.advance(500);
    }
    assert.ok(all.isSettled(), `cycle ${cycle} of seed ${SEED}: a call got no answer`);
    for (const outcome of await Promise.all(calls)) {
      const what = outcome.kind === "failed" ? outcome.error.code : outcome.kind;
      answers[what] = (answers[what] ?? 0) + 1;
      if (outcome.kind === "failed")
        assert.ok(outcome.isExecuted, `cycle ${cycle} of seed ${SEED}: refused by all: ${what}`);
    }
    await toZero(world, driver, `cycle ${cycle} of seed ${SEED}`);
    if (random.next() < 0.05) world.jump(3_600_000);
  }
  t.diagnostic(JSON.stringify({ seed: SEED, answers, faults }));
  const { refused: _, ...injected } = faults;
  for (const [fault, count] of Object.entries(injected))
    assert.ok(count > 100, `${fault} was hardly tried: ${count}`);
});

/** Until nothing runs: in two minutes at most, whatever the mode. */
async function toZero(world: VirtualPools, driver: InstanceDriver, when: string): Promise<void> {
  for (let waitedMs = 0; driver.list().length > 0; waitedMs += 1_000) {
    assert.ok(waitedMs < 120_000, `${when}: ${driver.list().length} instances stay`);
    await world.advance(1_000);
  }
}

/** What was refused unexecuted is given to the next cluster, here to the same one. */
async function answered(
  world: VirtualPools,
  call: () => Promise<CallOutcome>,
  faults: { refused: number },
): Promise<CallOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await call();
    const isRefused = outcome.kind === "failed" && !outcome.isExecuted;
    if (!isRefused || attempt === ATTEMPTS_MAX) return outcome;
    faults.refused += 1;
  }
}

function settledFlag(promise: Promise<unknown>): { readonly isSettled: () => boolean } {
  let isOver = false;
  void promise.finally(() => (isOver = true));
  return { isSettled: () => isOver };
}

/** A tenth of the starts fail, a tenth are slow, and of the rest a twentieth die: at once, with their first call or after it. */
function faultyDriver(
  random: Random,
  faults: { failed: number; slow: number; died: number },
): InstanceDriver {
  const driver = createMemoryDriver(async () => {
    if (random.next() < 0.1) {
      faults.slow += 1;
      await new Promise((resolve) => void setTimeout(resolve, random.next() * 8_000));
    }
    return async () => {
      await new Promise((resolve) => void setTimeout(resolve, random.next() * 200));
      return "done";
    };
  });
  return {
    ...driver,
    start: (spec, onLog) => {
      if (random.next() < 0.1) {
        faults.failed += 1;
        return failedStart();
      }
      const instance = driver.start(spec, onLog);
      if (random.next() < 0.05) {
        faults.died += 1;
        setTimeout(instance.kill, random.next() * 1_500);
      }
      return instance;
    },
  };
}

const failedStart = (): Instance => ({
  id: "none",
  started: Promise.resolve({ kind: "not-started", reason: "there was no process for it" }),
  ended: Promise.resolve({ kind: "signal", signal: "SIGKILL" }),
  invoke: () => assert.fail("it never started"),
  kill: () => undefined,
});
