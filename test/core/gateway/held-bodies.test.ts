import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createHeldBodies } from "../../../gateway/core/held-bodies.ts";

const LIMITS = { bytesMax: 100, tenantBytesMax: 60 };

function holding() {
  const held = createHeldBodies(LIMITS);
  const gone: string[] = [];
  const enter = (tenant: string, name: string, bytes: number) => {
    const body = held.of(tenant).enter(() => gone.push(name));
    body.add(bytes);
    return body;
  };
  return { held, gone, enter };
}

test("within the room nobody gives way", () => {
  const { held, gone, enter } = holding();
  enter("a", "a1", 30);
  enter("a", "a2", 30);
  enter("b", "b1", 40);
  assert.deepEqual([held.bytes(), gone], [100, []]);
});

test("of a tenant with too much, the one that has been coming longest goes", () => {
  const { held, gone, enter } = holding();
  const first = enter("a", "a1", 30);
  enter("a", "a2", 20);
  enter("b", "b1", 30);
  enter("a", "a3", 20);
  assert.deepEqual([held.bytes(), gone], [70, ["a1"]]);
  first.add(50);
  first.leave();
  assert.equal(held.bytes(), 70, "what comes of it after counts no more");
});

test("of all tenants, the one that holds most gives way", () => {
  const { gone, enter } = holding();
  enter("b", "b1", 10);
  enter("a", "a1", 50);
  enter("c", "c1", 30);
  enter("b", "b2", 20);
  assert.deepEqual(gone, ["a1"]);
});

test("whatever comes and goes, neither limit is exceeded, and all that left is free again", () => {
  const steps = fc.array(
    fc.record({ tenant: fc.constantFrom("a", "b", "c"), bytes: fc.nat(60), leaves: fc.boolean() }),
  );
  fc.assert(
    fc.property(steps, (taken) => {
      const { held, enter } = holding();
      const bodies = taken.map(({ tenant, bytes, leaves }, index) => {
        const body = enter(tenant, String(index), bytes);
        assert.ok(held.bytes() <= LIMITS.bytesMax);
        if (leaves) body.leave();
        return body;
      });
      for (const body of bodies) body.leave();
      assert.equal(held.bytes(), 0);
    }),
  );
});
