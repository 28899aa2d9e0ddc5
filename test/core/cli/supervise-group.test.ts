import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  FALL_WINDOW_MS,
  type GroupAction,
  type GroupEvent,
  type GroupState,
  STABLE_AFTER_MS,
  stoppedGroup,
  superviseGroup,
} from "../../../cli/up/core/supervise-group.ts";

const ZONE = ["federator", "agent", "gateway"];
type Happening = readonly [atMs: number, event: GroupEvent];
const died = (program: string): GroupEvent => ({ kind: "died", program });
const tick: GroupEvent = { kind: "tick" };
const start: GroupEvent = { kind: "start" };
const stop: GroupEvent = { kind: "stop" };
const spawn = (program: string): GroupAction => ({ kind: "spawn", program });
const later = (program: string, delayMs: number): GroupAction => ({
  kind: "restart-later",
  program,
  delayMs,
});

interface Case {
  readonly name: string;
  readonly group?: GroupState;
  readonly happens: readonly Happening[];
  /** What the last happening leads to. */
  readonly actions: readonly GroupAction[];
}

const started: Happening = [0, start];
const cases: readonly Case[] = [
  { name: "a start spawns every program at once", happens: [started], actions: ZONE.map(spawn) },
  { name: "a second start changes nothing", happens: [started, [5, start]], actions: [] },
  {
    name: "one that dies alone waits the shortest time",
    happens: [started, [500, died("agent")]],
    actions: [later("agent", BACKOFF_FIRST_MS)],
  },
  {
    name: "it is not spawned before its time",
    happens: [started, [500, died("agent")], [599, tick]],
    actions: [],
  },
  {
    name: "and is at its time",
    happens: [started, [500, died("agent")], [600, tick]],
    actions: [spawn("agent")],
  },
  {
    name: "a second death soon after waits twice as long",
    happens: [started, [500, died("agent")], [600, tick], [700, died("agent")]],
    actions: [later("agent", 2 * BACKOFF_FIRST_MS)],
  },
  {
    name: "one that lived long starts afresh",
    happens: [started, [500, died("agent")], [600, tick], [600 + STABLE_AFTER_MS, died("agent")]],
    actions: [later("agent", BACKOFF_FIRST_MS)],
  },
  {
    name: "two of three dying together are two that died",
    happens: [started, [500, died("agent")], [500, died("gateway")]],
    actions: [later("gateway", BACKOFF_FIRST_MS)],
  },
  {
    name: "all three within a second: the zone fell",
    happens: [started, [500, died("agent")], [501, died("gateway")], [502, died("federator")]],
    actions: [{ kind: "fell" }],
  },
  {
    name: "all three within a second, though the first is running again: the zone fell",
    happens: [
      started,
      [500, died("agent")],
      [600, tick],
      [700, died("gateway")],
      [500 + FALL_WINDOW_MS, died("federator")],
    ],
    actions: [{ kind: "fell" }],
  },
  {
    name: "the third a moment later than a second: three that died",
    happens: [
      started,
      [500, died("agent")],
      [600, tick],
      [700, died("gateway")],
      [501 + FALL_WINDOW_MS, died("federator")],
    ],
    actions: [later("federator", BACKOFF_FIRST_MS)],
  },
  {
    name: "a zone that fell stays down",
    happens: [
      started,
      [500, died("agent")],
      [500, died("gateway")],
      [500, died("federator")],
      [60_000, tick],
    ],
    actions: [],
  },
  {
    name: "until it is started",
    happens: [
      started,
      [500, died("agent")],
      [500, died("gateway")],
      [500, died("federator")],
      [60_000, start],
    ],
    actions: ZONE.map(spawn),
  },
  {
    name: "a program stopped on purpose is not started again",
    happens: [started, [500, stop], [600, died("agent")], [9_000, tick]],
    actions: [],
  },
  {
    name: "a program that was waiting is not started again after a stop",
    happens: [started, [500, died("agent")], [510, stop], [9_000, tick]],
    actions: [],
  },
  {
    name: "a start after a stop spawns only what has ended",
    happens: [started, [500, stop], [600, died("agent")], [700, start]],
    actions: [spawn("agent")],
  },
  {
    name: "a death told twice counts once",
    happens: [started, [500, died("agent")], [500, died("agent")]],
    actions: [],
  },
  {
    name: "the catalog alone never falls, it is started again",
    group: stoppedGroup(["catalog"], false),
    happens: [started, [500, died("catalog")]],
    actions: [later("catalog", BACKOFF_FIRST_MS)],
  },
];
const withSpare = stoppedGroup(ZONE, true, ["gateway.2"]);
const handOver: GroupEvent = { kind: "hand-over", from: "gateway", to: "gateway.2" };
const joins: readonly Happening[] = [started, [500, { kind: "join", program: "gateway.2" }]];
const handedOver: readonly Happening[] = [...joins, [900, handOver]];
const replacements: readonly Case[] = [
  { name: "a spare place stays empty", happens: [started], actions: ZONE.map(spawn) },
  { name: "a successor is spawned beside", happens: joins, actions: [spawn("gateway.2")] },
  {
    name: "a stopped group gets no successor",
    happens: [started, [100, stop], [500, { kind: "join", program: "gateway.2" }]],
    actions: [],
  },
  {
    name: "a successor that dies before it is ready is not missed",
    happens: [...joins, [600, died("gateway.2")], [9_000, tick]],
    actions: [],
  },
  {
    name: "one that was replaced is not missed when it ends",
    happens: [...handedOver, [1_000, died("gateway")], [9_000, tick]],
    actions: [],
  },
  {
    name: "its successor is",
    happens: [...handedOver, [1_000, died("gateway")], [20_000, died("gateway.2")]],
    actions: [later("gateway.2", BACKOFF_FIRST_MS)],
  },
  {
    name: "a place that became empty is for the next successor",
    happens: [
      ...handedOver,
      [1_000, died("gateway")],
      [2_000, { kind: "join", program: "gateway" }],
    ],
    actions: [spawn("gateway")],
  },
  {
    name: "one that died while its successor started leaves it the place",
    happens: [...joins, [600, died("gateway")], [650, handOver], [9_000, tick]],
    actions: [],
  },
  {
    name: "all that serve dying together are a zone that fell, whoever else is about to join or leave",
    happens: [
      ...handedOver,
      [1_000, died("agent")],
      [1_000, died("federator")],
      [1_000, died("gateway.2")],
    ],
    actions: [{ kind: "fell" }],
  },
];

for (const { name, group, happens, actions } of [
  ...cases,
  ...replacements.map((one) => ({ ...one, group: withSpare })),
])
  test(name, () => {
    let state = group ?? stoppedGroup(ZONE, true);
    let last: readonly GroupAction[] = [];
    for (const [atMs, event] of happens)
      ({ state, actions: last } = superviseGroup(state, event, atMs));
    assert.deepEqual(last, actions);
  });

test("whatever happens, no program runs twice, a wait never passes its limit, and a stopped group spawns nothing", () => {
  const event = fc.oneof(fc.constantFrom(start, stop, tick), fc.constantFrom(...ZONE).map(died));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 3_000 }), event), { maxLength: 60 }), (happens) => {
      const alive = new Set<string>();
      let state = stoppedGroup(ZONE, true);
      let nowMs = 0;
      for (const [laterMs, happening] of happens) {
        nowMs += laterMs;
        // Only what runs can die.
        if (happening.kind === "died" && !alive.delete(happening.program)) continue;
        const step = superviseGroup(state, happening, nowMs);
        state = step.state;
        for (const action of step.actions) {
          if (action.kind === "restart-later") assert.ok(action.delayMs <= BACKOFF_MAX_MS);
          if (action.kind !== "spawn") continue;
          assert.equal(state.wanted, "running");
          assert.ok(!alive.has(action.program), `${action.program} was spawned twice`);
          alive.add(action.program);
        }
      }
    }),
  );
});
