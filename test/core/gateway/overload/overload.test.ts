import assert from "node:assert/strict";
import { test } from "node:test";
import { type Tier, TIERS } from "#lib/plan/placement-class.ts";
import { seededRandom } from "../../../simulation/engine/seeded-random.ts";
import { type PlayedCall, playCrowd } from "./crowded-gateway.ts";

const CALL_MS = 150;
const CROWD_ENDS_MS = 25_000;
const UNTIL_MS = 30_000;

/** What is critical fits, with normal calls it does not. */
const SHARE_OF: Readonly<Record<Tier, number>> = { critical: 0.05, normal: 0.15, batch: 0.8 };

const endedWithin = (calls: readonly PlayedCall[], fromMs: number, toMs: number): number =>
  calls.filter(
    ({ endedAtMs }) => endedAtMs !== undefined && endedAtMs >= fromMs && endedAtMs < toMs,
  ).length;
const dueWithin = (calls: readonly PlayedCall[], fromMs: number, toMs: number, tier: Tier) =>
  calls.filter((call) => call.tier === tier && call.atMs >= fromMs && call.atMs < toMs);
const isServed = ({ endedAtMs }: PlayedCall): boolean => endedAtMs !== undefined;

for (const slots of [8, 64])
  test(`ten times what three clusters of ${slots} slots serve, in three tiers, and then a quarter of it`, () => {
    const capacity = (3 * slots * 1_000) / CALL_MS;
    const calls = playCrowd({
      slots,
      callMs: CALL_MS,
      untilMs: UNTIL_MS,
      perSecond: (tier, nowMs) =>
        SHARE_OF[tier] * (nowMs < CROWD_ENDS_MS ? capacity * 10 : capacity / 4),
      random: seededRandom(`crowd of ${slots}`),
    });

    // From the first seconds on, when no plan knows of the crowd.
    for (let fromMs = 1_000; fromMs < CROWD_ENDS_MS; fromMs += 1_000) {
      const served = endedWithin(calls, fromMs, fromMs + 1_000) / capacity;
      assert.ok(served >= 0.9, `${served.toFixed(2)} of what there is, from ${fromMs} ms on`);
    }
    for (const { tier, atMs, endedAtMs = atMs } of calls)
      assert.ok(endedAtMs - atMs <= 4 * CALL_MS, `${endedAtMs - atMs} ms for a ${tier} call`);

    const knownMs = 6_000;
    const of = (tier: Tier) => dueWithin(calls, knownMs, CROWD_ENDS_MS, tier);
    assert.ok(of("critical").every(isServed), "no critical call is turned away");
    assert.ok(of("normal").filter(isServed).length > of("normal").length / 5);
    assert.ok(of("batch").filter(isServed).length < of("batch").length / 50);

    for (const tier of TIERS)
      assert.ok(
        dueWithin(calls, CROWD_ENDS_MS + 1_000, UNTIL_MS - 1_000, tier).every(isServed),
        `a second after the crowd has gone, every ${tier} call is served`,
      );
  });

test("a little more than there is room for turns away no more than that", () => {
  const capacity = (3 * 16 * 1_000) / CALL_MS;
  const calls = playCrowd({
    slots: 16,
    callMs: CALL_MS,
    untilMs: UNTIL_MS,
    perSecond: (tier) => (tier === "normal" ? capacity * 1.1 : 0),
    random: seededRandom("a little more"),
  });
  const served = endedWithin(calls, 5_000, UNTIL_MS) / (UNTIL_MS - 5_000) / (capacity / 1_000);
  assert.ok(served >= 0.9, served.toFixed(2));
});

test("what fits is served, all of it", () => {
  const capacity = (3 * 16 * 1_000) / CALL_MS;
  const calls = playCrowd({
    slots: 16,
    callMs: CALL_MS,
    untilMs: UNTIL_MS,
    perSecond: (tier) => (capacity * 0.75 * (tier === "batch" ? 2 : 1)) / 4,
    random: seededRandom("what fits"),
  });
  const turnedAway = calls.filter((call) => !isServed(call)).length;
  assert.ok(turnedAway <= calls.length / 1_000, `${turnedAway} of ${calls.length}`);
});
