import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addSilence,
  gatewayToWithdraw,
  HANG_LIMIT_MS,
  LIVELY_MS,
  SILENCE_LIMIT_MS,
  START_LIMIT_MS,
  TICK_MS,
  type WatchedGateway,
} from "../../../cli/up/core/judge-gateways.ts";

const watched = (state: WatchedGateway["state"], group: string, silentMs = 0): WatchedGateway => ({
  group,
  name: "gateway",
  state,
  silentMs,
  isWorking: false,
});
const working = (group: string, silentMs: number) => ({
  ...ready(group, silentMs),
  isWorking: true,
});
const ready = (group: string, silentMs = 0) => watched("ready", group, silentMs);
const starting = (group: string, silentMs = 0) => watched("starting", group, silentMs);
const absent = (group: string) => watched("absent", group);
const SILENT = SILENCE_LIMIT_MS;
const HANGS = HANG_LIMIT_MS;

const cases: readonly {
  readonly name: string;
  readonly gateways: readonly WatchedGateway[];
  readonly goes: string | undefined;
}[] = [
  { name: "all serve", gateways: [ready("a"), ready("b", 399), ready("c")], goes: undefined },
  { name: "one is silent, others serve", gateways: [ready("a"), ready("b", SILENT)], goes: "b" },
  {
    name: "one is silent and at work: it has much to do",
    gateways: [ready("a"), working("b", HANGS - 1)],
    goes: undefined,
  },
  { name: "at work for ever", gateways: [ready("a"), working("b", HANGS)], goes: "b" },
  { name: "not quite yet", gateways: [ready("a"), ready("b", SILENT - 1)], goes: undefined },
  {
    name: "all are silent at once: the machine is slow",
    gateways: [ready("a", SILENT), ready("b", SILENT + 100), ready("c", SILENT)],
    goes: undefined,
  },
  {
    name: "the others are late themselves",
    gateways: [ready("a", SILENT), ready("b", LIVELY_MS), ready("c", LIVELY_MS)],
    goes: undefined,
  },
  {
    name: "two are silent: one at a time, the most silent first",
    gateways: [ready("a", SILENT), ready("b", SILENT + 50), ready("c")],
    goes: "b",
  },
  {
    name: "the second waits for the successor of the first",
    gateways: [ready("a", SILENT), starting("b"), ready("c")],
    goes: undefined,
  },
  {
    name: "and while the first was not started yet",
    gateways: [ready("a", SILENT), absent("b"), ready("c")],
    goes: undefined,
  },
  {
    name: "but not for ever",
    gateways: [ready("a", HANGS), starting("b"), ready("c")],
    goes: "a",
  },
  { name: "the only one is slow", gateways: [ready("a", HANGS - 1)], goes: undefined },
  { name: "the only one hangs", gateways: [ready("a", HANGS)], goes: "a" },
  {
    name: "all hang: the first of them",
    gateways: [ready("a", HANGS), ready("b", HANGS + 50)],
    goes: "b",
  },
  {
    name: "all hang: the next once that one is replaced",
    gateways: [ready("a", HANGS), starting("b")],
    goes: undefined,
  },
  {
    name: "a successor may be slow to start",
    gateways: [ready("a"), starting("b", START_LIMIT_MS - 1)],
    goes: undefined,
  },
  {
    name: "a successor that hangs while it starts goes too",
    gateways: [ready("a"), starting("b", START_LIMIT_MS)],
    goes: "b",
  },
  {
    name: "also where nobody else serves",
    gateways: [ready("a", SILENT), starting("b", START_LIMIT_MS)],
    goes: "b",
  },
  {
    name: "one of two workers of a zone is silent while the other serves",
    gateways: [{ ...ready("b"), name: "gateway.2" }, ready("b", SILENT)],
    goes: "b",
  },
  { name: "nobody is there", gateways: [absent("a"), absent("b")], goes: undefined },
];

for (const { name, gateways, goes } of cases)
  test(`${name}: ${goes === undefined ? "nobody is" : `${goes} is`} withdrawn`, () => {
    assert.equal(gatewayToWithdraw(gateways)?.group, goes);
  });

test("short of a certain hang, whoever is withdrawn leaves one behind that serves", () => {
  const gateway = fc.record({
    state: fc.constantFrom("absent", "starting", "ready"),
    silentMs: fc.nat(HANG_LIMIT_MS - 1),
    isWorking: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(gateway, { maxLength: 5 }), (drawn) => {
      const gateways = drawn.map((one, index): WatchedGateway => ({
        ...one,
        group: "a",
        name: `gateway.${index}`,
      }));
      const goes = gatewayToWithdraw(gateways);
      const isServing = ({ state, silentMs }: WatchedGateway) =>
        state === "ready" && silentMs < LIVELY_MS;
      assert.ok(goes === undefined || gateways.some((one) => one !== goes && isServing(one)));
    }),
  );
});

test("a gateway that is silent through ticks on time is withdrawn within a second", () => {
  let silentMs = 0;
  let passedMs = 0;
  while (gatewayToWithdraw([ready("a", silentMs), ready("b")]) === undefined) {
    silentMs = addSilence(silentMs, TICK_MS);
    passedMs += TICK_MS;
  }
  assert.ok(passedMs < 1_000);
});

test("time in which `up` itself did not run counts for nobody", () => {
  assert.equal(addSilence(0, 3_600_000), TICK_MS);
});

test("a clock that stands still or goes back takes no silence away", () => {
  assert.equal(addSilence(100, 0), 100);
  assert.equal(addSilence(100, -50), 100);
});
