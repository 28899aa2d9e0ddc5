import assert from "node:assert/strict";
import { test } from "node:test";
import { type Tier, TIERS } from "#lib/plan/placement-class.ts";
import { seededRandom } from "../../../simulation/engine/seeded-random.ts";
import { type PlayedCall, playCrowd } from "./crowded-gateway.ts";

const CALL_MS = 150;
const CROWD_ENDS_MS = 25_000;
const UNTIL_MS = 30_000;
/** The plan knows of the crowd by then, and the instances that were asked for at once have started: two processors start 24. */
const KNOWN_MS = 9_000;
const WINDOW_MS = 4_000;
/** Three functions that share places one by one leave some empty between two calls, and while they change hands; 24 callers of one fill 0.93 of 24. */
const GOODPUT_LEAST = 0.78;
/** As many calls as run wait, and half as many again, and instances start in between. */
const WAIT_AND_CALL_MAX_MS = 16 * CALL_MS;

/** What is critical fits, with normal calls it does not. */
const SHARE_OF: Readonly<Record<Tier, number>> = { critical: 0.05, normal: 0.15, batch: 0.8 };

const endedWithin = (calls: readonly PlayedCall[], fromMs: number, toMs: number): number =>
  calls.filter(
    ({ endedAtMs }) => endedAtMs !== undefined && endedAtMs >= fromMs && endedAtMs < toMs,
  ).length;
const dueWithin = (calls: readonly PlayedCall[], fromMs: number, toMs: number, tier: Tier) =>
  calls.filter((call) => call.tier === tier && call.atMs >= fromMs && call.atMs < toMs);
const isServed = ({ endedAtMs }: PlayedCall): boolean => endedAtMs !== undefined;

for (const slots of [8, 24])
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

    for (let fromMs = KNOWN_MS; fromMs < CROWD_ENDS_MS; fromMs += WINDOW_MS) {
      const served = endedWithin(calls, fromMs, fromMs + WINDOW_MS) / capacity;
      const share = served / (WINDOW_MS / 1_000);
      assert.ok(
        share >= GOODPUT_LEAST,
        `${share.toFixed(2)} of what there is, from ${fromMs} ms on`,
      );
    }
    const known = calls.filter(({ atMs }) => atMs >= KNOWN_MS);
    for (const { tier, atMs, endedAtMs = atMs } of known)
      assert.ok(endedAtMs - atMs <= WAIT_AND_CALL_MAX_MS, `${endedAtMs - atMs} ms for ${tier}`);

    const of = (tier: Tier) => dueWithin(calls, KNOWN_MS, CROWD_ENDS_MS, tier);
    const critical = of("critical");
    const isKept = critical.filter(isServed).length >= critical.length * 0.995;
    assert.ok(isKept, "critical calls are not turned away");
    assert.ok(of("normal").filter(isServed).length > of("normal").length / 5);
    assert.ok(!of("batch").some(isServed), "no batch call is served while normal ones are shed");

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
  // Not before the first instances have started.
  const due = calls.filter(({ atMs }) => atMs >= KNOWN_MS);
  const turnedAway = due.filter((call) => !isServed(call)).length;
  assert.ok(turnedAway <= due.length / 500, `${turnedAway} of ${due.length}`);
});
