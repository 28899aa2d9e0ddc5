import assert from "node:assert/strict";
import { test } from "node:test";
import { findEngine } from "../../../engines/find-engine.ts";
import { MISFORTUNES, runTrials, type TrialResult } from "../support/run-trials.ts";
import { embeddedTrialCatalog, etcdTrialCatalog } from "../support/trial-catalogs.ts";

/** `MERIDIAN_TRIALS=100` runs as many on each catalog; each takes three leases. */
const TRIALS = Number(process.env["MERIDIAN_TRIALS"] ?? 4);
const THINKS_MAX_MS = 100;
const TRIALS_TO_CATCH = 20;

const promise =
  "real leaders that are killed, stopped, cut off or given a wrong clock never act after the next one was elected";
const plan = { count: TRIALS, misfortunes: MISFORTUNES, thinksMaxMs: THINKS_MAX_MS };

test(`on the embedded catalog, ${promise}`, async (t) => {
  const result = await runTrials(t, await embeddedTrialCatalog(t), plan);
  t.diagnostic(describe(result));
  assert.deepEqual(result.judge.wrongs, []);
});

const etcd = await findEngine("etcd");
test(
  `on an etcd of three members, ${promise}`,
  { skip: etcd.kind === "missing" && etcd.reason },
  async (t) => {
    assert(etcd.kind === "found");
    const result = await runTrials(t, await etcdTrialCatalog(t, etcd.path), plan);
    t.diagnostic(describe(result));
    assert.deepEqual(result.judge.wrongs, []);
  },
);

test("such trials catch leaders whose writes are not fenced", async (t) => {
  const { judge } = await runTrials(t, await embeddedTrialCatalog(t), {
    count: TRIALS_TO_CATCH,
    misfortunes: ["stop"],
    thinksMaxMs: 3 * THINKS_MAX_MS,
    isUnfenced: true,
    isEnough: ({ wrongs }) => wrongs.length > 0,
  });
  assert.ok(judge.wrongs.length > 0);
});

function describe({ judge, refused, takeovers }: TrialResult): string {
  const slowest = takeovers.toSorted((one, other) => other.tookMs - one.tookMs);
  const [median, longest] = [slowest[Math.floor(slowest.length / 2)], slowest[0]].map(
    (one) => one && `${Math.round(one.tookMs)} ms after a ${one.misfortune}`,
  );
  return (
    `${TRIALS} trials: ${judge.elections()} elections, ${judge.deeds()} acts accepted, ${refused} refused, ` +
    `${judge.wrongs.length} overlapping; the next leader acts ${median} (median), ${longest} (longest)`
  );
}
