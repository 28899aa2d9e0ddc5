import assert from "node:assert/strict";
import { test } from "node:test";
import {
  beginWave,
  needsWave,
  planWave,
  type Wave,
  type WaveReceiver,
  type WaveSight,
} from "../../../../federator/core/feed/plan-waves.ts";

const at = (revision: number) => ({ incarnation: "one", revision });
const LIMITS = { soakMs: 1_000, zoneSilenceMaxMs: 10_000, receiverSilenceMaxMs: 10_000 };
const small = {
  changed: 0,
  entries: 1_000,
  functionsRemoved: 0,
  functions: 500,
  isNewFormat: false,
};

const sizes = [
  { name: "one entry of few", size: { ...small, changed: 1, entries: 2 }, is: false },
  { name: "twenty of twenty", size: { ...small, changed: 20, entries: 20 }, is: false },
  { name: "21 of 21", size: { ...small, changed: 21, entries: 21 }, is: true },
  { name: "five percent", size: { ...small, changed: 50 }, is: false },
  { name: "more than five percent", size: { ...small, changed: 51 }, is: true },
  {
    name: "more than a fifth of the functions, of very many entries",
    size: {
      changed: 101,
      entries: 100_000,
      functionsRemoved: 101,
      functions: 500,
      isNewFormat: false,
    },
    is: true,
  },
  {
    name: "a fifth of the functions, of very many entries",
    size: {
      changed: 100,
      entries: 100_000,
      functionsRemoved: 100,
      functions: 500,
      isNewFormat: false,
    },
    is: false,
  },
  { name: "frames that look different", size: { ...small, isNewFormat: true }, is: true },
];
for (const { name, size, is } of sizes)
  test(`${name} ${is ? "goes" : "does not go"} out in a wave`, () =>
    assert.equal(needsWave(size), is));

const gateway = (receiver: string, extra: Partial<WaveReceiver> = {}): WaveReceiver => ({
  receiver,
  isGateway: true,
  position: at(5),
  refused: null,
  ...extra,
});
const agent = (receiver: string): WaveReceiver => ({ ...gateway(receiver), isGateway: false });
const sight = (nowMs: number, extra: Partial<WaveSight> = {}): WaveSight => ({
  nowMs,
  zone: "b",
  receivers: [gateway("b.gateway.2"), gateway("b.gateway.1"), agent("b.agent")],
  otherZones: [],
  newest: at(9),
  ...extra,
});
const other = (accepted: number | undefined, refused?: number) => ({
  zone: "a",
  accepted: accepted === undefined ? undefined : at(accepted),
  refused: refused === undefined ? undefined : at(refused),
});
const proving = (extra: object = {}): Wave => ({
  kind: "first-receiver",
  candidate: at(9),
  first: "b.gateway.1",
  sinceMs: 0,
  acknowledgedAtMs: null,
  losses: 0,
  passedOver: [],
  ...extra,
});
const first = (extra: Partial<WaveReceiver>) => [
  gateway("b.gateway.1", extra),
  gateway("b.gateway.2"),
];

const steps: readonly {
  readonly name: string;
  readonly wave: Wave;
  readonly sight: WaveSight;
  /** `pass`, or members of the wave that waits. */
  readonly leads: "pass" | Partial<Record<string, unknown>>;
}[] = [
  {
    name: "without an earlier zone it goes to one receiver",
    wave: beginWave(at(9), 0),
    sight: sight(0),
    leads: { kind: "first-receiver", first: null },
  },
  {
    name: "an earlier zone goes first",
    wave: beginWave(at(9), 0),
    sight: sight(9_999, { otherZones: [other(8)] }),
    leads: { kind: "earlier-zone" },
  },
  {
    name: "a later zone is not waited for",
    wave: beginWave(at(9), 0),
    sight: sight(0, { otherZones: [{ ...other(8), zone: "c" }] }),
    leads: { kind: "first-receiver" },
  },
  {
    name: "when the earlier zone has it, it is this zone's turn",
    wave: beginWave(at(9), 0),
    sight: sight(10, { otherZones: [other(9)] }),
    leads: { kind: "first-receiver" },
  },
  {
    name: "an earlier zone that says nothing is waited for ten seconds",
    wave: beginWave(at(9), 0),
    sight: sight(10_000, { otherZones: [other(8)] }),
    leads: { kind: "first-receiver" },
  },
  {
    name: "what an earlier zone turned down goes to nobody here",
    wave: beginWave(at(9), 0),
    sight: sight(10, { otherZones: [other(8, 9)] }),
    leads: { kind: "refused", by: "a" },
  },
  {
    name: "what an earlier zone turned down before says nothing of this one",
    wave: beginWave(at(9), 0),
    sight: sight(10, { otherZones: [other(8, 7)] }),
    leads: { kind: "earlier-zone" },
  },
  {
    name: "it waits for somebody to prove it",
    wave: proving({ first: null }),
    sight: sight(60_000, { receivers: [] }),
    leads: { kind: "first-receiver", first: null },
  },
  {
    name: "the first gateway by name proves it",
    wave: proving({ first: null }),
    sight: sight(3),
    leads: { first: "b.gateway.1", sinceMs: 3 },
  },
  {
    name: "one that has it already proves it",
    wave: proving({ first: null }),
    sight: sight(3, {
      receivers: [gateway("b.gateway.1"), gateway("b.gateway.2", { position: at(9) })],
    }),
    leads: { first: "b.gateway.2" },
  },
  {
    name: "where there is no gateway, an agent does",
    wave: proving({ first: null }),
    sight: sight(3, { receivers: [agent("b.agent")] }),
    leads: { first: "b.agent" },
  },
  {
    name: "its acknowledgement begins the soak",
    wave: proving(),
    sight: sight(20, { receivers: first({ position: at(9) }) }),
    leads: { kind: "first-receiver", acknowledgedAtMs: 20 },
  },
  {
    name: "before the soak is over it waits",
    wave: proving({ acknowledgedAtMs: 20 }),
    sight: sight(1_019, { receivers: first({ position: at(9) }) }),
    leads: { kind: "first-receiver" },
  },
  {
    name: "after the soak it passes",
    wave: proving({ acknowledgedAtMs: 20 }),
    sight: sight(1_020, { receivers: first({ position: at(10) }) }),
    leads: "pass",
  },
  {
    name: "what it turns down goes to nobody else",
    wave: proving(),
    sight: sight(20, { receivers: first({ refused: { position: at(9), reason: "no sum" } }) }),
    leads: { kind: "refused", by: "b.gateway.1", reason: "no sum" },
  },
  {
    name: "what it turned down before says nothing of this one",
    wave: proving(),
    sight: sight(20, { receivers: first({ refused: { position: at(8), reason: "no sum" } }) }),
    leads: { kind: "first-receiver" },
  },
  {
    name: "one that goes away with it is waited for",
    wave: proving({ acknowledgedAtMs: 20 }),
    sight: sight(30, { receivers: [gateway("b.gateway.2")] }),
    leads: { kind: "first-receiver", first: "b.gateway.1", losses: 1, acknowledgedAtMs: null },
  },
  {
    name: "one that goes away with it again has refused it",
    wave: proving({ acknowledgedAtMs: 20, losses: 1 }),
    sight: sight(30, { receivers: [gateway("b.gateway.2")] }),
    leads: { kind: "refused", by: "b.gateway.1" },
  },
  {
    name: "one that does not take it is passed over after ten seconds",
    wave: proving(),
    sight: sight(10_000),
    leads: { kind: "first-receiver", first: null, passedOver: ["b.gateway.1"] },
  },
  {
    name: "then another one proves it",
    wave: proving({ first: null, passedOver: ["b.gateway.1"] }),
    sight: sight(10_000),
    leads: { first: "b.gateway.2" },
  },
  {
    name: "what was turned down stays so",
    wave: { kind: "refused", candidate: at(9), by: "x", reason: "y", atMs: 0 },
    sight: sight(60_000),
    leads: { kind: "refused" },
  },
  {
    name: "what comes after it passes a wave of its own",
    wave: { kind: "refused", candidate: at(9), by: "x", reason: "y", atMs: 0 },
    sight: sight(1_000, { newest: at(10) }),
    leads: { kind: "earlier-zone", candidate: at(10), sinceMs: 1_000 },
  },
  {
    name: "but not at once",
    wave: { kind: "refused", candidate: at(9), by: "x", reason: "y", atMs: 0 },
    sight: sight(999, { newest: at(10) }),
    leads: { kind: "refused" },
  },
];
for (const { name, wave, sight: seen, leads } of steps)
  test(name, () => {
    const step = planWave(wave, seen, LIMITS);
    if (leads === "pass") assert.equal(step.kind, "pass");
    else {
      assert.ok(step.kind === "wait");
      for (const [member, expected] of Object.entries(leads))
        assert.deepEqual(Reflect.get(step.wave, member), expected, member);
    }
  });
