import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { divideRight, type Holder } from "../../../../federator/core/quota/divide-right.ts";

const holder = (name: string, mayHold: number, isConnected = true): Holder => ({
  name,
  mayHold,
  isConnected,
});
const divide = (right: number, ...holders: readonly Holder[]) =>
  Object.fromEntries(divideRight(right, holders));

const cases: readonly {
  readonly name: string;
  readonly right: number;
  readonly holders: readonly Holder[];
  readonly parts: Readonly<Record<string, number>>;
}[] = [
  { name: "one gateway gets all", right: 90, holders: [holder("a", 0)], parts: { a: 90 } },
  {
    name: "two new ones get half each",
    right: 90,
    holders: [holder("a", 0), holder("b", 0)],
    parts: { a: 45, b: 45 },
  },
  {
    name: "one that comes later waits until the first has let go",
    right: 90,
    holders: [holder("a", 90), holder("b", 0)],
    parts: { a: 45, b: 0 },
  },
  {
    name: "and then gets its half",
    right: 90,
    holders: [holder("a", 45), holder("b", 0)],
    parts: { a: 45, b: 45 },
  },
  {
    name: "what one that left may still hold is kept for it",
    right: 90,
    holders: [holder("a", 30), holder("b", 60, false)],
    parts: { a: 30 },
  },
  {
    name: "a right that shrank is taken at once",
    right: 40,
    holders: [holder("a", 90)],
    parts: { a: 40 },
  },
];
for (const { name, right, holders, parts } of cases) {
  test(name, () => assert.deepEqual(divide(right, ...holders), parts));
}

test("told, lost, acknowledged, joined and left in any order, the parts never exceed the right", () => {
  const RIGHT = 1_000;
  const names = ["a", "b", "c"];
  const event = fc.record({
    kind: fc.constantFrom("tell", "acknowledge", "join", "leave"),
    name: fc.constantFrom(...names),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const mayHold = new Map<string, number>();
      const told = new Map<string, number>();
      const connected = new Set<string>();
      for (const { kind, name } of events) {
        if (kind === "join") connected.add(name);
        else if (kind === "leave") connected.delete(name);
        else if (kind === "acknowledge")
          mayHold.set(name, told.get(name) ?? mayHold.get(name) ?? 0);
        else {
          const holders = names.map((one) =>
            holder(one, mayHold.get(one) ?? 0, connected.has(one)),
          );
          const part = divideRight(RIGHT, holders).get(name);
          if (part === undefined) continue;
          told.set(name, part);
          mayHold.set(name, Math.max(mayHold.get(name) ?? 0, part));
        }
        const sum = names.reduce((total, one) => total + (mayHold.get(one) ?? 0), 0);
        assert.ok(sum <= RIGHT, `${sum} of ${RIGHT}`);
      }
    }),
  );
});
