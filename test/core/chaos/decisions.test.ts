import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { judgeAbort, type LoadTick } from "../../../chaos/core/judge-abort.ts";
import { judgePrecheck } from "../../../chaos/core/judge-precheck.ts";
import {
  isMootBy,
  type JournalLine,
  openIntents,
  type Undo,
} from "../../../chaos/core/open-intents.ts";
import { planArrivals } from "../../../chaos/core/plan-arrivals.ts";
import { readLedger } from "../../../chaos/core/read-ledger.ts";
import { seededRandom } from "../../../chaos/core/seeded-random.ts";
import { SERIES, shippedDrill, TARGET, ZONES } from "./synthetic-run.ts";

const tick = (atMs: number, ok: number, failed: number): LoadTick => ({ atMs, ok, failed });
const RULE = { failedPercentMax: 50, windowMs: 1_000 };

const aborts: { name: string; ticks: LoadTick[]; ends: boolean }[] = [
  { name: "nothing was called", ticks: [], ends: false },
  { name: "too few calls to judge by", ticks: [tick(5_000, 0, 9)], ends: false },
  { name: "exactly what is allowed", ticks: [tick(5_000, 10, 10)], ends: false },
  { name: "one more than is allowed", ticks: [tick(5_000, 10, 11)], ends: true },
  {
    name: "bad, but before the window",
    ticks: [tick(4_000, 0, 99), tick(4_900, 20, 0)],
    ends: false,
  },
  {
    name: "bad over the window as a whole",
    ticks: [tick(4_500, 10, 0), tick(4_900, 0, 30)],
    ends: true,
  },
];
for (const { name, ticks, ends } of aborts)
  test(`the abort rule ${ends ? "ends" : "does not end"} the drill: ${name}`, () => {
    assert.equal(judgeAbort(ticks, RULE, 5_000) !== undefined, ends);
  });

const ground = { zones: ZONES, targetPids: 5, tenants: ["demo"] };
const blocked: { name: string; ground: typeof ground; because: RegExp }[] = [
  {
    name: "an unknown zone",
    ground: { ...ground, zones: ["us-east"] },
    because: /no zone eu-west/,
  },
  {
    name: "too large a share of the federation",
    ground: { ...ground, zones: ["eu-west", "us-east"] },
    because: /one of 2 zones is 50\.0 %/,
  },
  {
    name: "a zone that is down",
    ground: { ...ground, targetPids: 0 },
    because: /no process to kill/,
  },
  {
    name: "somebody else's traffic",
    ground: { ...ground, tenants: ["demo", "rival"] },
    because: /also touches rival/,
  },
];
for (const { name, ground, because } of blocked)
  test(`a drill does not begin on ${name}`, () => {
    assert.match(judgePrecheck(shippedDrill(), ground).join(), because);
  });
test("a drill begins where one of three zones is allowed, and on a federation of its own whoever its tenants are", () => {
  assert.deepEqual(judgePrecheck(shippedDrill(), ground), []);
  assert.deepEqual(judgePrecheck(shippedDrill(), { ...ground, tenants: null }), []);
});

const isEntry = (value: unknown): value is { id: string } =>
  typeof value === "object" && value !== null && "id" in value;
const ledgers: { name: string; text: string; starts: [string, number][]; broken: number }[] = [
  { name: "an empty one", text: "", starts: [], broken: 0 },
  {
    name: "one start a line",
    text: '{"id":"a"}\n{"id":"b"}\n',
    starts: [
      ["a", 1],
      ["b", 1],
    ],
    broken: 0,
  },
  { name: "a call twice", text: '{"id":"a"}\n{"id":"a"}\n', starts: [["a", 2]], broken: 0 },
  { name: "a last line that is torn", text: '{"id":"a"}\n{"id":"b', starts: [["a", 1]], broken: 1 },
  { name: "a line that is torn in the middle", text: '{"id"{"id":"b"}\n', starts: [], broken: 1 },
  { name: "an empty line", text: '\n{"id":"b"}\n', starts: [["b", 1]], broken: 1 },
];
for (const { name, text, starts, broken } of ledgers)
  test(`a ledger is read: ${name}`, () => {
    const ledger = readLedger(text, isEntry);
    assert.deepEqual([...ledger.startsById], starts);
    assert.equal(ledger.brokenLines, broken);
  });

test("arrivals keep the rate whatever the seed, one in each slot, callers in turn", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 500 }), (seed, requestsPerSecond) => {
      const arrivals = planArrivals(requestsPerSecond, ZONES, seededRandom(seed));
      const slotMs = 1_000 / requestsPerSecond;
      for (const arrival of arrivals.take(50)) {
        const slot = arrival.offsetMs / slotMs;
        assert.ok(slot >= arrival.number - 1e-6 && slot < arrival.number + 1 + 1e-6);
        assert.equal(arrival.callerZone, ZONES[arrival.number % ZONES.length]);
      }
    }),
  );
});

test("the same seed gives the same arrivals", () => {
  const first = [...planArrivals(25, ZONES, seededRandom(7)).take(100)];
  assert.deepEqual([...planArrivals(25, ZONES, seededRandom(7)).take(100)], first);
  assert.notDeepEqual([...planArrivals(25, ZONES, seededRandom(8)).take(100)], first);
});

test("there is one series for each door and kind of function, and no two share a name", () => {
  assert.equal(SERIES.length, 8);
  assert.equal(new Set(SERIES.map(({ name }) => name)).size, 8);
  assert.equal(SERIES.filter(({ gatewayZone }) => gatewayZone === TARGET).length, 2);
});

const startZone: Undo = { kind: "start-zone", stateDirectory: "/state", zone: TARGET };
const stopAll: Undo = { kind: "stop-federation", stateDirectory: "/state", up: null };
const intent = (id: string, undo: Undo): JournalLine => ({
  kind: "intent",
  id,
  undo,
  deadManMs: null,
});
const undone = (id: string): JournalLine => ({ kind: "undone", id, by: "runner" });
const journals: { name: string; lines: JournalLine[]; open: string[] }[] = [
  { name: "nothing was done", lines: [], open: [] },
  {
    name: "the newest first",
    lines: [intent("a", stopAll), intent("b", startZone)],
    open: ["b", "a"],
  },
  {
    name: "what is undone is closed",
    lines: [intent("a", stopAll), intent("b", startZone), undone("b")],
    open: ["a"],
  },
  {
    name: "told again is one",
    lines: [intent("a", stopAll), intent("b", startZone), intent("a", stopAll)],
    open: ["b", "a"],
  },
  {
    name: "undone twice does no harm",
    lines: [intent("a", stopAll), undone("a"), undone("a")],
    open: [],
  },
];
for (const { name, lines, open } of journals)
  test(`a journal tells what is open: ${name}`, () => {
    assert.deepEqual(
      openIntents(lines).map(({ id }) => id),
      open,
    );
  });

test("a zone needs no start where its whole federation goes, and does where another one goes", () => {
  const open = openIntents([intent("a", stopAll)]);
  assert.equal(isMootBy(startZone, open), true);
  assert.equal(isMootBy({ ...startZone, stateDirectory: "/other" }, open), false);
  assert.equal(isMootBy(stopAll, open), false);
});
