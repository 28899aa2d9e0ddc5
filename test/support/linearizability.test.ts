import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLinearizable, type RegisterCall } from "./linearizability.ts";

const call = (
  calledAtMs: number,
  returnedAtMs: number,
  action: RegisterCall["action"],
): RegisterCall => ({ calledAtMs, returnedAtMs, action });
const read = (value: string | null) => ({ kind: "read", value }) as const;
const swapped = (from: string | null, to: string) => ({ kind: "swapped", from, to }) as const;
const conflict = (from: string | null) => ({ kind: "conflict", from }) as const;
const unknown = (from: string | null, to: string) => ({ kind: "unknown", from, to }) as const;
const NEVER = Number.POSITIVE_INFINITY;

const cases: readonly (readonly [
  name: string,
  verdict: boolean,
  calls: readonly RegisterCall[],
])[] = [
  ["nothing happened", true, []],
  ["one after the other", true, [call(0, 1, swapped(null, "a")), call(2, 3, read("a"))]],
  [
    "a read beside a swap sees either",
    true,
    [call(0, 9, swapped(null, "a")), call(1, 2, read(null)), call(3, 4, read("a"))],
  ],
  [
    "an acknowledged write is lost",
    false,
    [call(0, 1, swapped(null, "a")), call(2, 3, read(null))],
  ],
  [
    "a read goes back in time",
    false,
    [call(0, 9, swapped(null, "a")), call(1, 2, read("a")), call(3, 4, read(null))],
  ],
  [
    "an acknowledged write is made a second time",
    false,
    [
      call(0, 1, swapped(null, "a")),
      call(2, 3, swapped("a", "b")),
      call(4, 5, read("b")),
      call(6, 7, read("a")),
    ],
  ],
  [
    "two swaps from one value",
    false,
    [call(0, 5, swapped(null, "a")), call(0, 5, swapped(null, "b"))],
  ],
  [
    "a conflict with what it expected",
    false,
    [call(0, 1, swapped(null, "a")), call(2, 3, conflict("a")), call(4, 5, read("a"))],
  ],
  ["a value that nobody wrote", false, [call(0, 1, read("x"))]],
  ["an unknown write was made", true, [call(0, NEVER, unknown(null, "a")), call(5, 6, read("a"))]],
  [
    "an unknown write was not made",
    true,
    [call(0, NEVER, unknown(null, "a")), call(5, 6, read(null))],
  ],
  [
    "an unknown write was made late",
    true,
    [call(0, NEVER, unknown(null, "a")), call(5, 6, read(null)), call(7, 8, read("a"))],
  ],
  [
    "an unknown write was made twice",
    false,
    [
      call(0, NEVER, unknown("a", "b")),
      call(0, 1, swapped(null, "a")),
      call(2, 3, read("b")),
      call(4, 5, swapped("b", "a")),
      call(6, 7, read("b")),
    ],
  ],
  [
    "an unknown write was made before its call",
    false,
    [call(0, 1, read("a")), call(5, NEVER, unknown(null, "a"))],
  ],
];
for (const [name, verdict, calls] of cases)
  test(`${name}: ${verdict ? "linearizable" : "not linearizable"}`, () => {
    assert.equal(isLinearizable(calls), verdict);
  });

/** A register that really is one: each step has its moment, and its call and return lie somewhere around it. */
const steps = fc.array(
  fc.record({
    isRead: fc.boolean(),
    expectsRight: fc.boolean(),
    told: fc.constantFrom("told", "told", "told", "never"),
    earlier: fc.integer({ min: 0, max: 30 }),
    later: fc.integer({ min: 0, max: 30 }),
  }),
  { maxLength: 60 },
);
interface Step {
  readonly isRead: boolean;
  readonly expectsRight: boolean;
  readonly told: string;
  readonly earlier: number;
  readonly later: number;
}
function validHistory(chosen: readonly Step[]): RegisterCall[] {
  let value: string | null = null;
  return chosen.map(({ isRead, expectsRight, told, earlier, later }, index) => {
    const momentMs = index * 10;
    const around = (action: RegisterCall["action"]): RegisterCall =>
      call(momentMs - earlier, told === "never" ? NEVER : momentMs + later, action);
    if (isRead) return call(momentMs - earlier, momentMs + later, read(value));
    const from: string | null = expectsRight ? value : "never written";
    const to = `v${index}`;
    if (expectsRight) value = to;
    if (told === "never") return around(unknown(from, to));
    return around(expectsRight ? swapped(from, to) : conflict(from));
  });
}

test("every history of a real register is linearizable", () => {
  fc.assert(fc.property(steps, (chosen) => isLinearizable(validHistory(chosen))));
});

test("a real history in which one answered read saw something older is not, when nothing ran beside it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat({ max: 1_000 }), (writes, pick) => {
      const calls: RegisterCall[] = [];
      for (let index = 0; index < writes; index++) {
        const from = index === 0 ? null : `v${index - 1}`;
        calls.push(call(index * 10, index * 10 + 1, swapped(from, `v${index}`)));
        calls.push(call(index * 10 + 2, index * 10 + 3, read(`v${index}`)));
      }
      assert.ok(isLinearizable(calls));
      const stale = 1 + 2 * (pick % writes);
      const older = (stale - 1) / 2 === 0 ? null : `v${(stale - 1) / 2 - 1}`;
      const broken = calls.map((one, index) =>
        index === stale ? { ...one, action: read(older) } : one,
      );
      return !isLinearizable(broken);
    }),
  );
});
