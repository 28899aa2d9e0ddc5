import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "#lib/ports/clock.ts";
import { rightsLedger } from "../../../federator/io/rights.ts";

const RIGHT = { floorMillionths: 60_000, leaseMillionths: 300_000 };
const LEASE_VALID_MS = 9_000;

function open() {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, wallMs: () => 0, sleep: async () => undefined };
  let isSettled = true;
  const settle = (is: boolean) => {
    isSettled = is;
  };
  const ledger = rightsLedger(
    clock,
    () => LEASE_VALID_MS,
    () => isSettled,
  );
  ledger.set(new Map([["demo", RIGHT]]));
  let nonce = 0;
  /** What the gateway is told, and the nonce to acknowledge. */
  const tell = (gateway: string) => {
    nonce += 1;
    const frame = ledger.next(gateway, nonce);
    return frame && { nonce, leaseMillionths: frame.tenants[0]?.leaseMillionths, frame };
  };
  const advance = (byMs: number) => {
    nowMs += byMs;
    ledger.expire();
  };
  return { ledger, tell, advance, settle };
}

test("the one gateway of the zone gets the zone's whole right, and hears it once", () => {
  const { ledger, tell } = open();
  ledger.join("z.gateway");
  const told = tell("z.gateway");
  assert.deepEqual(told?.frame, {
    kind: "rights",
    nonce: 1,
    leaseValidMs: LEASE_VALID_MS,
    tenants: [{ tenant: "demo", ...RIGHT }],
  });
  assert.equal(tell("z.gateway"), undefined);
  ledger.renewed();
  assert.equal(tell("z.gateway")?.leaseMillionths, RIGHT.leaseMillionths);
});

test("a second gateway waits for the first to have let go", () => {
  const { ledger, tell } = open();
  ledger.join("a");
  ledger.acknowledged("a", tell("a")?.nonce ?? 0);
  ledger.join("b");
  assert.equal(tell("b")?.leaseMillionths, 0);
  const lowered = tell("a");
  assert.equal(lowered?.leaseMillionths, 150_000);
  assert.equal(tell("b"), undefined);
  ledger.acknowledged("a", lowered.nonce);
  assert.equal(tell("b")?.leaseMillionths, 150_000);
});

test("an acknowledgement of an older frame releases nothing", () => {
  const { ledger, tell } = open();
  ledger.join("a");
  const first = tell("a");
  ledger.set(new Map([["demo", { ...RIGHT, leaseMillionths: 0 }]]));
  const second = tell("a");
  assert.equal(second?.leaseMillionths, 0);
  ledger.acknowledged("a", first?.nonce ?? 0);
  assert.equal(ledger.leaseHeld("demo"), RIGHT.leaseMillionths);
  ledger.acknowledged("a", second.nonce);
  assert.equal(ledger.leaseHeld("demo"), 0);
});

test("what a gateway took with it comes back when it cannot believe in it any more", () => {
  const { ledger, tell, advance } = open();
  ledger.join("old");
  tell("old");
  ledger.leave("old");
  ledger.join("new");
  assert.equal(tell("new")?.leaseMillionths, 0);
  advance(LEASE_VALID_MS);
  assert.equal(tell("new"), undefined);
  advance(1_000);
  assert.equal(tell("new")?.leaseMillionths, RIGHT.leaseMillionths);
});

test("a gateway that comes back under its name has its right at once", () => {
  const { ledger, tell } = open();
  ledger.join("z.gateway");
  tell("z.gateway");
  ledger.leave("z.gateway");
  ledger.join("z.gateway");
  assert.equal(tell("z.gateway")?.leaseMillionths, RIGHT.leaseMillionths);
});

test("whoever waits for a lowering hears when it has happened", () => {
  const { ledger, tell } = open();
  let settled = 0;
  ledger.onSettled(() => {
    settled += 1;
  });
  ledger.join("a");
  const told = tell("a");
  ledger.acknowledged("a", told?.nonce ?? 0);
  ledger.acknowledged("a", told?.nonce ?? 0);
  assert.equal(settled, 1);
});

test("before it is clear whether the zone has its session, nothing is said", () => {
  const { ledger, tell, settle } = open();
  settle(false);
  ledger.join("z.gateway");
  assert.equal(tell("z.gateway"), undefined);
  settle(true);
  assert.equal(tell("z.gateway")?.leaseMillionths, RIGHT.leaseMillionths);
});
