import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chooseInstance } from "../../../agents/core/choose-instance.ts";
import { chooseDiscards } from "../../../agents/core/choose-discards.ts";
import { chooseEvictions, decideScale } from "../../../agents/core/decide-scale.ts";
import { instanceRoom } from "../../../agents/core/instance-room.ts";
import type { InstanceState } from "../../../agents/core/instance-lifecycle.ts";

const limits = { extraIdleMs: 10_000, lastIdleMs: 60_000 };
const NOW_MS = 100_000;

interface Named {
  readonly name: string;
  readonly state: InstanceState;
  readonly usedAtMs: number;
}
const idle = (name: string, idleMs: number): Named => ({
  name,
  state: { kind: "idle", sinceMs: NOW_MS - idleMs },
  usedAtMs: NOW_MS - idleMs,
});
const other = (kind: "starting" | "gone"): Named => ({ name: kind, state: { kind }, usedAtMs: 0 });
const busy = (calls = 1): Named => ({ name: "busy", state: { kind: "busy", calls }, usedAtMs: 0 });
const starting = other("starting");

const cases = [
  { name: "nothing waits, nothing runs", waiting: 0, room: 9, from: [], start: 0, retire: [] },
  { name: "one waiting call, one instance", waiting: 1, room: 9, from: [], start: 1, retire: [] },
  { name: "one for each call", waiting: 7, room: 9, from: [busy()], start: 7, retire: [] },
  { name: "no more than there is room", waiting: 7, room: 3, from: [], start: 3, retire: [] },
  { name: "no room at all", waiting: 7, room: 0, from: [busy()], start: 0, retire: [] },
  { name: "starts count", waiting: 3, room: 9, from: [starting, starting], start: 1, retire: [] },
  { name: "enough starts", waiting: 1, room: 9, from: [starting, starting], start: 0, retire: [] },
  {
    name: "an extra one goes after ten seconds",
    waiting: 0,
    room: 9,
    from: [idle("old", 10_000), idle("new", 9_999)],
    start: 0,
    retire: ["old"],
  },
  {
    name: "the last one stays for a minute",
    waiting: 0,
    room: 9,
    from: [idle("last", 59_999)],
    start: 0,
    retire: [],
  },
  {
    name: "and then goes too",
    waiting: 0,
    room: 9,
    from: [idle("last", 60_000)],
    start: 0,
    retire: ["last"],
  },
  {
    name: "beside a busy one every idle one is extra",
    waiting: 0,
    room: 9,
    from: [busy(), idle("extra", 10_000)],
    start: 0,
    retire: ["extra"],
  },
] as const;

for (const { name, waiting, room, from, start, retire } of cases)
  test(`scaling: ${name}`, () => {
    const input = { waiting, room, concurrency: 1, instances: [...from] };
    const decision = decideScale(input, limits, NOW_MS);
    assert.equal(decision.start, start);
    assert.deepEqual(
      decision.retire.map((instance) => instance.name),
      retire,
    );
  });

test("scaling: an instance for as many calls as it takes", () => {
  const input = { waiting: 21, room: 99, concurrency: 10, instances: [starting] };
  assert.equal(decideScale(input, limits, NOW_MS).start, 2);
});

test("scaling: says when the next idle instance is due", () => {
  const instances = [idle("a", 4_000), idle("b", 1_000)];
  const input = { waiting: 0, room: 0, concurrency: 1, instances };
  assert.equal(decideScale(input, limits, NOW_MS).checkAtMs, NOW_MS + 6_000);
  const last = { ...input, instances: [idle("b", 1_000)] };
  assert.equal(decideScale(last, limits, NOW_MS).checkAtMs, NOW_MS + 59_000);
  assert.equal(decideScale({ ...input, instances: [busy()] }, limits, NOW_MS).checkAtMs, undefined);
});

const anyInstance: fc.Arbitrary<Named> = fc.oneof(
  fc.constant(starting),
  fc.constant(other("gone")),
  fc.integer({ min: 1, max: 5 }).map(busy),
  fc.tuple(fc.uuid(), fc.nat(120_000)).map(([name, idleMs]) => idle(name, idleMs)),
);

test("scaling: never starts beyond the room, never ends what works, and looks again in time", () => {
  fc.assert(
    fc.property(
      fc.nat(100),
      fc.nat(20),
      fc.integer({ min: 1, max: 5 }),
      fc.array(anyInstance),
      (waiting, room, concurrency, instances) => {
        const decision = decideScale({ waiting, room, concurrency, instances }, limits, NOW_MS);
        assert.ok(decision.start >= 0 && decision.start <= room);
        assert.ok(decision.start * concurrency < waiting + concurrency);
        for (const { state } of decision.retire) assert.equal(state.kind, "idle");
        assert.ok(decision.checkAtMs === undefined || decision.checkAtMs > NOW_MS);
        const isIdle = instances.filter(({ state }) => state.kind === "idle").length;
        assert.equal(decision.checkAtMs === undefined, decision.retire.length === isIdle);
      },
    ),
  );
});

test("evictions take the longest unused first and never what works", () => {
  const instances = [busy(), idle("new", 1), idle("old", 50), starting, idle("older", 70)];
  const names = (needed: number) =>
    chooseEvictions(instances, needed)
      .map(({ name }) => name)
      .toSorted((one, two) => one.localeCompare(two));
  assert.deepEqual(names(0), []);
  assert.deepEqual(names(1), ["older"]);
  assert.deepEqual(names(2), ["old", "older"]);
  assert.deepEqual(names(9), ["new", "old", "older"]);
});

test("the most recently used instance with a free slot takes the call", () => {
  const one = { ...busy(1), usedAtMs: 5 };
  const full = { ...busy(2), usedAtMs: 9 };
  assert.equal(chooseInstance([], 2), undefined);
  assert.equal(chooseInstance([starting, full, other("gone")], 2), undefined);
  assert.equal(chooseInstance([idle("old", NOW_MS), full, one], 2), one);
  const recent = idle("recent", 1);
  assert.equal(chooseInstance([idle("old", 9), recent, one], 2), recent);
});

const entry = (name: string, usedAtMs: number, holders = 0) => ({
  name,
  usedAtMs,
  holders,
  bytes: 10,
});

test("discards free just enough, oldest first, and nothing that is held", () => {
  const entries = [entry("c", 3), entry("a", 1), entry("held", 0, 1), entry("b", 2)];
  const names = (bytesMax: number) => chooseDiscards(entries, bytesMax).map(({ name }) => name);
  assert.deepEqual(names(40), []);
  assert.deepEqual(names(39), ["a"]);
  assert.deepEqual(names(20), ["a", "b"]);
  assert.deepEqual(names(0), ["a", "b", "c"]);
});

const limitsOfRoom = { instancesMax: 10, startsMax: 4 };
const instanceOf = (tenant: string, { state }: Named) => ({ tenant, state });
const rooms = [
  {
    name: "an empty cluster has room for as many starts as run side by side",
    instances: [],
    room: 4,
  },
  {
    name: "starts under way take from it, whosever they are",
    instances: [instanceOf("other", starting), instanceOf("demo", starting)],
    room: 2,
  },
  {
    name: "no more than the tenant's concurrency at work",
    instances: [instanceOf("demo", busy()), instanceOf("demo", busy())],
    room: 1,
  },
  {
    name: "idle instances cost the tenant nothing",
    instances: Array.from({ length: 3 }, () => instanceOf("demo", idle("idle", 1))),
    room: 3,
  },
  {
    name: "but place in the cluster",
    instances: Array.from({ length: 9 }, () => instanceOf("other", idle("idle", 1))),
    room: 1,
  },
  {
    name: "a cluster that is over its limit has none",
    instances: Array.from({ length: 11 }, () => instanceOf("other", busy())),
    room: 0,
  },
] as const;
for (const { name, instances, room } of rooms)
  test(`room: ${name}`, () => {
    const concurrencyMax = instances.length === 0 || instances[0]?.tenant === "other" ? 100 : 3;
    assert.equal(instanceRoom(instances, "demo", concurrencyMax, limitsOfRoom), room);
  });
