import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createTenantLimits } from "../../../gateway/core/tenant-limits.ts";
import { emptyBucket, refill, untilTokenMs } from "../../../gateway/core/token-bucket.ts";

const limits = { "requests-per-second": 100, burst: 50, concurrency: 2 };
const WHOLE = 1_000_000;
const share = (floorMillionths: number, leaseMillionths: number, tenant = "demo") => ({
  tenant,
  floorMillionths,
  leaseMillionths,
});

/** How many of `tries` calls at one moment are admitted. */
function admittedOf(
  account: ReturnType<typeof createTenantLimits>,
  tries: number,
  nowMs: number,
  values = limits,
): number {
  let admitted = 0;
  for (let attempt = 0; attempt < tries; attempt += 1)
    if (account.takeRate("demo", values, nowMs).kind === "admitted") admitted += 1;
  return admitted;
}

test("a bucket starts empty and fills at its rate up to its burst", () => {
  const rate = { ratePerSecond: 10, burst: 5 };
  const bucket = emptyBucket(1_000);
  assert.equal(bucket.tokens, 0);
  assert.equal(untilTokenMs(bucket, rate), 100);
  assert.equal(refill(bucket, rate, 1_300).tokens, 3);
  assert.equal(refill(bucket, rate, 60_000).tokens, 5);
  assert.equal(refill(bucket, rate, 500).tokens, 0, "a clock that went back gives nothing");
});

test("a gateway that leaves spends what has gathered and no more, whatever it is told after", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(WHOLE, 0)], 0, 0);
  assert.equal(admittedOf(account, 30, 200), 20);
  account.giveUpShares(300);
  account.applyShares([share(WHOLE, 0)], 0, 400);
  assert.equal(admittedOf(account, 30, 10_000), 10, "from 200 ms to 300 ms");
  assert.equal(admittedOf(account, 30, 20_000), 0);
});

test("a gateway that leaves has gathered also for a tenant that has not called yet", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(WHOLE, 0)], 0, 0);
  account.giveUpShares(100);
  assert.equal(admittedOf(account, 30, 5_000), 10);
});

test("each of two workers permits half of the calls that a tenant may have running", () => {
  const four = { ...limits, concurrency: 4 };
  const worker = createTenantLimits(WHOLE, 0, 2);
  assert.deepEqual(
    [1, 2, 3].map(() => worker.enter("demo", four)),
    [true, true, false],
  );
  assert.ok(createTenantLimits(WHOLE, 0, 8).enter("demo", four), "and one call at least");
});

test("a share below one token still lets single calls through", () => {
  const rate = { ratePerSecond: 0.5, burst: 0.2 };
  assert.equal(refill(emptyBucket(0), rate, 10_000).tokens, 1);
});

test("without a rate no token ever comes", () => {
  assert.equal(
    untilTokenMs(emptyBucket(0), { ratePerSecond: 0, burst: 0 }),
    Number.POSITIVE_INFINITY,
  );
});

test("in any window of W seconds at most R·W + B calls are admitted", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 10, max: 200 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 20, maxLength: 120 }),
      (ratePerSecond, burst, gapsMs) => {
        const values = { "requests-per-second": ratePerSecond, burst, concurrency: 1 };
        const account = createTenantLimits(WHOLE, 0);
        const admittedAtMs: number[] = [];
        let nowMs = 0;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          for (let attempt = 0; attempt < 5; attempt += 1)
            if (account.takeRate("demo", values, nowMs).kind === "admitted")
              admittedAtMs.push(nowMs);
        }
        for (const [first, fromMs] of admittedAtMs.entries())
          for (let last = first; last < admittedAtMs.length; last += 1) {
            const seconds = ((admittedAtMs[last] ?? 0) - fromMs) / 1_000;
            assert.ok(last - first + 1 <= ratePerSecond * seconds + burst + 1e-6);
          }
      },
    ),
    { numRuns: 500 },
  );
});

test("zones whose shares add up to the limit admit no more than the limit together, however shares move", () => {
  const move = fc.record({
    gapMs: fc.integer({ min: 0, max: 2_000 }),
    // Of the part of the limit that moves, what each of three zones gets, in percent.
    cuts: fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 50 })),
    leaseValidMs: fc.integer({ min: 0, max: 3_000 }),
    tries: fc.integer({ min: 0, max: 120 }),
  });
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 30 }), (moves) => {
      const zones = [0, 1, 2].map(() => createTenantLimits(100_000, 0));
      const admittedAtMs: number[] = [];
      let nowMs = 0;
      for (const { gapMs, cuts, leaseValidMs, tries } of moves) {
        nowMs += gapMs;
        const leases = [cuts[0], cuts[1], 100 - cuts[0] - cuts[1]];
        for (const [index, zone] of zones.entries())
          zone.applyShares([share(100_000, (leases[index] ?? 0) * 7_000)], leaseValidMs, nowMs);
        for (const zone of zones)
          for (let admitted = admittedOf(zone, tries, nowMs); admitted > 0; admitted -= 1)
            admittedAtMs.push(nowMs);
      }
      for (const [first, fromMs] of admittedAtMs.entries()) {
        const seconds = ((admittedAtMs.at(-1) ?? 0) - fromMs) / 1_000;
        assert.ok(admittedAtMs.length - first <= 100 * seconds + 50 + 1e-6);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("of a tenant nobody has spoken of, only the default floor may be spent", () => {
  const account = createTenantLimits(100_000, 0);
  assert.equal(admittedOf(account, 100, 0), 0);
  assert.equal(admittedOf(account, 100, 60_000), 5);
});

test("the lease counts until it ends, then the floor alone", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(100_000, 900_000)], 1_000, 0);
  assert.equal(admittedOf(account, 500, 100), 10);
  assert.equal(
    admittedOf(account, 500, 999),
    50,
    "filled at the whole rate, up to the whole burst",
  );
  assert.equal(admittedOf(account, 500, 2_000), 5, "filled at the floor's rate, up to its burst");
  assert.equal(admittedOf(account, 500, 2_100), 1);
});

test("a lease that ends between two calls counts only until its end", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(100_000, 400_000)], 200, 0);
  assert.equal(admittedOf(account, 1, 0), 0);
  assert.equal(admittedOf(account, 500, 300), 5);
});

test("a larger share gives a faster refill and no burst", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(100_000, 0)], 0, 0);
  assert.equal(admittedOf(account, 500, 1_000), 5);
  account.applyShares([share(WHOLE, 0)], 0, 1_000);
  assert.equal(admittedOf(account, 500, 1_000), 0);
  assert.equal(admittedOf(account, 500, 1_100), 10);
});

test("a share that grows before the first call gives no burst either", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(10_000, 0)], 0, 0);
  account.applyShares([share(WHOLE, 0)], 0, 60_000);
  assert.equal(admittedOf(account, 500, 60_000), 0);
});

test("renewing an unchanged lease keeps what has gathered", () => {
  const account = createTenantLimits(0, 0);
  for (let nowMs = 0; nowMs <= 5_000; nowMs += 1_000)
    account.applyShares([share(100_000, 100_000)], 2_000, nowMs);
  assert.equal(admittedOf(account, 500, 5_000), 10);
});

test("a lowered limit cuts what has gathered", () => {
  const account = createTenantLimits(WHOLE, 0);
  assert.equal(admittedOf(account, 1, 60_000), 1);
  const lower = { ...limits, burst: 10 };
  assert.equal(admittedOf(account, 500, 60_000, lower), 10);
});

test("a refusal says when to come again, and a returned token can be spent", () => {
  const account = createTenantLimits(WHOLE, 0);
  assert.deepEqual(account.takeRate("demo", limits, 5), { kind: "refused", retryAfterMs: 5 });
  assert.equal(admittedOf(account, 500, 10), 1);
  account.returnRate("demo");
  assert.equal(admittedOf(account, 500, 10), 1);
});

test("concurrency is counted for each tenant", () => {
  const account = createTenantLimits(WHOLE, 0);
  assert.ok(account.enter("demo", limits));
  assert.ok(account.enter("demo", limits));
  assert.equal(account.enter("demo", limits), false);
  assert.ok(account.enter("other", limits));
  account.leave("demo");
  assert.ok(account.enter("demo", limits));
});

test("what is left to a tenant can be looked at without changing it", () => {
  const account = createTenantLimits(0, 0);
  account.applyShares([share(WHOLE / 2, WHOLE / 2)], 10_000, 0);
  account.takeRate("demo", limits, 0);
  account.enter("demo", limits);
  const expected = { ...share(WHOLE / 2, WHOLE / 2), leaseLeftMs: 9_900, inFlight: 1, limits };
  for (let look = 0; look < 3; look += 1)
    assert.deepEqual(account.state(100), [{ ...expected, tokens: 10 }]);
  assert.equal(admittedOf(account, 20, 100), 10);
});
