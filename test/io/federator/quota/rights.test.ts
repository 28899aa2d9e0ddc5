import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Clock } from "#lib/ports/clock.ts";
import { rightsLedger } from "../../../../federator/io/quota/rights.ts";

const RIGHT = { floorMillionths: 60_000, leaseMillionths: 300_000 };
const NONE = { floorMillionths: 0, leaseMillionths: 0 };
const LEASE_VALID_MS = 9_000;

function open(leaseValidForMs: (asOfRevision: number) => number = () => LEASE_VALID_MS) {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, wallMs: () => 0, sleep: async () => undefined };
  let isSettled = true;
  const settle = (is: boolean) => {
    isSettled = is;
  };
  const ledger = rightsLedger(clock, leaseValidForMs, () => isSettled);
  ledger.set(new Map([["demo", RIGHT]]), 1);
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

test("the lease lasts as long as the session allows for the revision that the rights are of", () => {
  const { ledger, tell } = open((asOfRevision) => (asOfRevision < 7 ? 0 : LEASE_VALID_MS));
  ledger.join("z.gateway");
  assert.equal(tell("z.gateway")?.frame.leaseValidMs, 0);
  ledger.set(new Map([["demo", NONE]]), 7);
  const told = tell("z.gateway");
  assert.deepEqual([told?.frame.leaseValidMs, told?.leaseMillionths], [LEASE_VALID_MS, 0]);
});

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
});

test("leases go on without a word on tenants whose share did not change; all is said again each minute", () => {
  const { ledger, tell, advance } = open();
  ledger.join("z.gateway");
  tell("z.gateway");
  ledger.renewed();
  assert.deepEqual(tell("z.gateway")?.frame, {
    kind: "rights",
    nonce: 2,
    leaseValidMs: LEASE_VALID_MS,
    isPartial: true,
    tenants: [],
  });
  advance(60_000);
  const again = tell("z.gateway")?.frame;
  assert.equal(again?.isPartial, undefined);
  assert.deepEqual(again?.tenants, [{ tenant: "demo", ...RIGHT }]);
});

test("of many tenants only those are told whose right changed", () => {
  const { ledger, tell } = open();
  const rights = new Map(["a", "b", "c"].map((tenant) => [tenant, RIGHT]));
  ledger.set(rights, 1);
  ledger.join("z.gateway");
  ledger.acknowledged("z.gateway", tell("z.gateway")?.nonce ?? 0);
  ledger.set(new Map([...rights, ["b", { ...RIGHT, leaseMillionths: 7 }]]), 1);
  const told = tell("z.gateway");
  assert.deepEqual(told?.frame.tenants, [{ tenant: "b", ...RIGHT, leaseMillionths: 7 }]);
  assert.equal(ledger.leaseHeld("b"), RIGHT.leaseMillionths);
  ledger.set(new Map([...rights, ["b", { ...RIGHT, leaseMillionths: 7 }], ["c", NONE]]), 1);
  const second = tell("z.gateway");
  ledger.acknowledged("z.gateway", told.nonce);
  assert.equal(ledger.leaseHeld("b"), 7);
  assert.equal(ledger.leaseHeld("c"), RIGHT.leaseMillionths);
  ledger.acknowledged("z.gateway", second?.nonce ?? 0);
  assert.equal(ledger.leaseHeld("c"), 0);
});

test("whatever is told, lost and acknowledged in whatever order, gateways never hold more than the right", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constantFrom("join", "leave", "release", "tell", "ack"),
      gateway: fc.nat(2),
    }),
    fc.record({ kind: fc.constant("renew"), gateway: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { ledger, tell } = open();
      /** What each gateway does as it was told, and the frames that it has done but not yet acknowledged. */
      const holds = new Map<string, number>();
      const done = new Map<string, number>();
      for (const { kind, gateway } of steps) {
        const name = `z.gateway.${gateway}`;
        if (kind === "join") ledger.join(name);
        else if (kind === "leave") ledger.leave(name);
        else if (kind === "release") {
          holds.delete(name);
          ledger.release(name);
        } else if (kind === "renew") ledger.renewed();
        else if (kind === "ack") ledger.acknowledged(name, done.get(name) ?? -1);
        else {
          const told = tell(name);
          if (told === undefined) continue;
          const share = told.frame.tenants.find(({ tenant }) => tenant === "demo");
          if (share !== undefined) holds.set(name, share.leaseMillionths);
          else if (told.frame.isPartial !== true) holds.set(name, 0);
          done.set(name, told.nonce);
        }
        const sum = holds.values().reduce((total, held) => total + held, 0);
        assert.ok(sum <= RIGHT.leaseMillionths, `${sum}`);
        assert.ok(sum <= ledger.leaseHeld("demo"));
      }
    }),
  );
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
  ledger.set(new Map([["demo", { ...RIGHT, leaseMillionths: 0 }]]), 1);
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

test("what a gateway gives up itself is another's at once", () => {
  const { ledger, tell } = open();
  ledger.join("old");
  ledger.acknowledged("old", tell("old")?.nonce ?? 0);
  ledger.join("new");
  tell("new");
  ledger.acknowledged("old", tell("old")?.nonce ?? 0);
  assert.equal(tell("new")?.leaseMillionths, RIGHT.leaseMillionths / 2);
  ledger.release("old");
  assert.equal(tell("new")?.leaseMillionths, RIGHT.leaseMillionths);
  assert.equal(tell("old"), undefined);
  ledger.leave("old");
  assert.equal(ledger.leaseHeld("demo"), RIGHT.leaseMillionths);
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
  ledger.acknowledged("a", tell("a")?.nonce ?? 0);
  ledger.set(new Map([["demo", { ...RIGHT, leaseMillionths: 0 }]]), 1);
  const told = tell("a");
  assert.equal(settled, 0);
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
