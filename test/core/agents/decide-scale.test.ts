import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chooseInstance } from "../../../agents/core/choose-instance.ts";
import { chooseDiscards } from "../../../agents/core/choose-discards.ts";
import {
  decideScale,
  evictableInstances,
  initialScaleState,
} from "../../../agents/core/decide-scale.ts";
import { scalingSpec } from "../../../agents/core/scaling/scaling-spec.ts";
import type { Scaling } from "#lib/contracts/scaling.ts";
import { instanceRoom } from "../../../agents/core/instance-room.ts";
import type { InstanceState } from "../../../agents/core/instance-lifecycle.ts";

const limits = { extraIdleMs: 10_000, lastIdleMs: 60_000 };
const NOW_MS = 100_000;

interface Input<T> {
  readonly waiting: number;
  readonly room: number;
  readonly concurrency: number;
  readonly instances: readonly T[];
  readonly scaling?: Scaling;
  readonly expectedCalls?: number;
  readonly isPlaced?: boolean;
}
const decide = <T extends { readonly state: InstanceState }>(input: Input<T>) => {
  const spec = scalingSpec(input.concurrency, input.scaling, limits);
  const observation = {
    ...input,
    expectedCalls: input.expectedCalls ?? 0,
    isPlaced: input.isPlaced ?? true,
    room: () => input.room,
    spareRoom: () => input.room,
  };
  return decideScale(initialScaleState(spec, NOW_MS), observation, spec, NOW_MS);
};

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
    const decision = decide<Named>(input);
    assert.equal(decision.start, start);
    assert.deepEqual(
      decision.retire.map((instance) => instance.name),
      retire,
    );
  });

test("scaling: an instance for as many calls as it takes", () => {
  const input = { waiting: 21, room: 99, concurrency: 10, instances: [starting] };
  assert.equal(decide(input).start, 2);
});

test("scaling: says when the next idle instance is due", () => {
  const instances = [idle("a", 4_000), idle("b", 1_000)];
  const input = { waiting: 0, room: 0, concurrency: 1, instances };
  assert.equal(decide(input).checkAtMs, NOW_MS + 6_000);
  const last = { ...input, instances: [idle("b", 1_000)] };
  assert.equal(decide(last).checkAtMs, NOW_MS + 59_000);
  assert.equal(decide({ ...input, instances: [busy()] }).checkAtMs, undefined);
});

const anyInstance: fc.Arbitrary<Named> = fc.oneof(
  fc.constant(starting),
  fc.constant(other("gone")),
  fc.integer({ min: 1, max: 5 }).map(busy),
  fc.tuple(fc.uuid(), fc.nat(120_000)).map(([name, idleMs]) => idle(name, idleMs)),
);

const anyScaling: fc.Arbitrary<Scaling> = fc.record(
  {
    mode: fc.constantFrom("request", "kpa"),
    minInstances: fc.nat(5),
    maxInstances: fc.integer({ min: 5, max: 20 }),
    provisioned: fc.nat(5),
    activationScale: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: [] },
);

test("scaling: whatever is asked for, a busy instance is never taken away, no limit is passed and no promise broken", () => {
  fc.assert(
    fc.property(
      fc.nat(100),
      fc.nat(20),
      fc.integer({ min: 1, max: 5 }),
      fc.array(anyInstance),
      anyScaling,
      fc.nat(10),
      (waiting, room, concurrency, instances, scaling, expectedCalls) => {
        const input = { waiting, room, concurrency, instances, scaling, expectedCalls };
        const decision = decide(input);
        assert.ok(decision.start >= 0 && decision.start <= 2 * room);
        for (const { state } of decision.retire) assert.equal(state.kind, "idle");
        assert.ok(decision.checkAtMs === undefined || decision.checkAtMs > NOW_MS);
        const live = instances.filter(({ state }) => state.kind !== "gone").length;
        const working = instances.filter(({ state }) => state.kind === "busy").length;
        const after = live + decision.start - decision.retire.length;
        const { minInstances = 0, maxInstances = Infinity, provisioned = 0 } = scaling;
        assert.ok(decision.start === 0 || live + decision.start <= maxInstances);
        const promised = Math.min(Math.max(minInstances, working + provisioned), maxInstances);
        assert.ok(decision.retire.length === 0 || after >= promised);
        assert.ok(after >= Math.min(promised, live) && (after >= promised || decision.isShort));
      },
    ),
  );
});

const promises = [
  { name: "a minimum is there before any call", scaling: { minInstances: 2 }, from: [], start: 2 },
  {
    name: "an instance that works counts for the minimum",
    scaling: { minInstances: 2 },
    from: [busy()],
    start: 1,
  },
  {
    name: "and not for the spares",
    scaling: { provisioned: 2 },
    from: [busy(), idle("spare", 90_000)],
    start: 1,
  },
  { name: "idle as long as it may be", scaling: { minInstances: 1 }, from: [idle("kept", 99_999)] },
  { name: "nothing beyond the maximum", scaling: { maxInstances: 1 }, waiting: 5, start: 1 },
  {
    name: "nor for spares",
    scaling: { provisioned: 5, maxInstances: 2 },
    from: [busy()],
    start: 1,
  },
  { name: "nothing for a version that the table lacks", scaling: { minInstances: 2 }, gone: true },
  { name: "what is expected is started", expectedCalls: 3, start: 3 },
  { name: "less what is here", expectedCalls: 3, from: [busy(), idle("free", 1)], start: 1 },
] as const;
for (const { name, start = 0, ...row } of promises as readonly PromiseRow[])
  test(`scaling: ${name}`, () => {
    const { scaling = {}, expectedCalls = 0, waiting = 0, gone = false, from = [] } = row;
    const input = { waiting, room: 9, concurrency: 1, instances: from, scaling, expectedCalls };
    const decision = decide({ ...input, isPlaced: !gone });
    assert.equal(decision.start, start);
    assert.deepEqual(decision.retire, []);
  });

interface PromiseRow {
  readonly name: string;
  readonly start?: number;
  readonly scaling?: Scaling;
  readonly expectedCalls?: number;
  readonly waiting?: number;
  readonly gone?: boolean;
  readonly from?: readonly Named[];
}

test("scaling: what no room is left for is told", () => {
  const input = { waiting: 0, room: 1, concurrency: 1, instances: [] };
  const decision = decide({ ...input, scaling: { minInstances: 2 } });
  assert.equal(decision.start, 1);
  assert.ok(decision.isShort);
});

test("another version's call gets the place of an idle instance only beyond what is promised", () => {
  const instances = [busy(), idle("new", 1), idle("old", 50), idle("older", 70)];
  const evicted = (scaling: Scaling, isPlaced = true) =>
    evictableInstances(instances, scalingSpec(1, scaling, limits), isPlaced)
      .map(({ name }) => name)
      .toSorted((one, two) => one.localeCompare(two));
  assert.deepEqual(evicted({}), ["new", "old", "older"]);
  assert.deepEqual(evicted({ provisioned: 2 }), ["older"]);
  assert.deepEqual(evicted({ minInstances: 2 }), ["old", "older"]);
  assert.deepEqual(evicted({ minInstances: 9 }), []);
  assert.deepEqual(evicted({ minInstances: 9 }, false), ["new", "old", "older"]);
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
