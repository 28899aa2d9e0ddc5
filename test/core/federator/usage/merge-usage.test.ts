import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AgentUsage, AgentUsageRow } from "#lib/contracts/usage.ts";
import {
  mergeUsage,
  type UsageKey,
  type ZoneUsage,
} from "../../../../federator/core/usage/merge-usage.ts";

const row = (functionName: string, invocations: number, startMs = 0): AgentUsageRow => ({
  startMs,
  endMs: startMs + 3_600_000,
  tenant: "demo",
  functionName,
  invocations,
  errors: 1,
  initErrors: 0,
  coldStarts: 1,
  billedMs: 10 * invocations,
  egressBytes: 5,
  megabyteMs: 1_024_000 * invocations,
});
const bookOf = (bookId: string, ...rows: AgentUsageRow[]): AgentUsage => ({
  bookId,
  isComplete: true,
  rows,
});
const all = { byZone: false, limit: 100, after: undefined };

test("the books of all zones are added up, and zones without answer are named", () => {
  const merged = mergeUsage(
    [
      { zone: "eu-west", usage: bookOf("a", row("hello", 2), row("pay", 1)) },
      { zone: "us-east", usage: undefined },
      { zone: "ap-south", usage: { ...bookOf("c", row("hello", 3)), isComplete: false } },
    ],
    all,
  );
  assert.deepEqual(
    merged.items.map((item) => [item.functionName, item.invocations, item.gigabyteSeconds]),
    [
      ["hello", 5, 5],
      ["pay", 1, 1],
    ],
  );
  assert.deepEqual(merged.items[0], {
    startMs: 0,
    endMs: 3_600_000,
    tenant: "demo",
    functionName: "hello",
    invocations: 5,
    errors: 2,
    initErrors: 0,
    coldStarts: 2,
    billedMs: 50,
    gigabyteSeconds: 5,
    egressBytes: 10,
  });
  assert.equal(merged.next, null);
  assert.deepEqual(merged.silentZones, ["us-east"]);
  assert.deepEqual(merged.incompleteZones, ["ap-south"]);
});

test("a book that answers twice, under two names, counts once", () => {
  const book = bookOf("a", row("hello", 2));
  const merged = mergeUsage(
    [
      { zone: "eu-west", usage: book },
      { zone: "us-east", usage: book },
    ],
    all,
  );
  assert.equal(merged.items[0]?.invocations, 2);
});

test("by zone, each zone has items of its own", () => {
  const merged = mergeUsage(
    [
      { zone: "us-east", usage: bookOf("b", row("hello", 3)) },
      { zone: "eu-west", usage: bookOf("a", row("hello", 2)) },
    ],
    { ...all, byZone: true },
  );
  assert.deepEqual(
    merged.items.map((item) => [item.zone, item.invocations]),
    [
      ["eu-west", 2],
      ["us-east", 3],
    ],
  );
});

test("page by page there is the same as at once, whatever the books and the size of a page", () => {
  const rows = fc.uniqueArray(
    fc.record({ name: fc.constantFrom("a", "b", "c", "d"), hour: fc.nat(5), calls: fc.nat(9) }),
    { selector: ({ name, hour }) => `${name}${hour}`, maxLength: 20 },
  );
  fc.assert(
    fc.property(
      fc.array(rows, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      (books, limit, byZone) => {
        const answer = (after: UsageKey | undefined, rowsMax: number): ZoneUsage[] =>
          books.map((kept, index) => ({
            zone: `zone-${index}`,
            usage: bookOf(`book-${index}`, ...from(kept.map(toRow), after).slice(0, rowsMax)),
          }));
        const whole = mergeUsage(answer(undefined, 1_000), {
          byZone,
          limit: 500,
          after: undefined,
        });
        const paged = [];
        let after: UsageKey | undefined;
        do {
          const page = mergeUsage(answer(after, limit + 2), { byZone, limit, after });
          assert.ok(page.items.length <= limit);
          paged.push(...page.items);
          after = page.next ?? undefined;
        } while (after !== undefined);
        assert.deepEqual(paged, whole.items);
      },
    ),
    { numRuns: 300 },
  );
});

const toRow = ({ name, hour, calls }: { name: string; hour: number; calls: number }) =>
  row(name, calls, hour * 3_600_000);

/** As an agent's book answers: in order, from the key on. */
const from = (rows: readonly AgentUsageRow[], after: UsageKey | undefined): AgentUsageRow[] =>
  rows
    .filter(
      ({ startMs, functionName = "" }) =>
        after === undefined ||
        startMs > after.startMs ||
        (startMs === after.startMs && functionName >= after.functionName),
    )
    .toSorted(
      (a, b) => a.startMs - b.startMs || ((a.functionName ?? "") < (b.functionName ?? "") ? -1 : 1),
    );
