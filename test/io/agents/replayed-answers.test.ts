import assert from "node:assert/strict";
import { test } from "node:test";
import fc, { type Scheduler } from "fast-check";
import type { Clock } from "#lib/ports/clock.ts";
import type { CallEnding, KeptCall } from "../../../agents/core/decide-replay.ts";
import type { FunctionAnswer } from "../../../agents/core/read-answer.ts";
import type { ReplayStore } from "../../../agents/io/replay-store.ts";
import {
  type Execute,
  type KeyedCall,
  type ReplayedAnswers,
  replayedAnswers,
} from "../../../agents/io/replayed-answers.ts";

/*
 * Calls, crashes and the steps of the store in every order that a scheduler finds. A crash takes all that is not in the store, and
 * what the dead agent still has in hand never happens.
 */

/** What becomes of a call that is run. */
type Fate =
  | "answers"
  /** Its instance is lost after the start. */
  | "is-lost"
  /** Refused before it had a slot. */
  | "is-refused"
  /** Its instance was gone before the call reached it. */
  | "does-not-begin"
  /** The gateway takes it back instead of saying `go`. */
  | "is-withdrawn";

interface PlannedCall {
  readonly key: string;
  readonly fate: Fate;
  readonly leaves: boolean;
}

interface World {
  readonly starts: Map<string, number>;
  readonly answers: { readonly key: string; readonly body: string }[];
  unsettled: number;
  crash: () => void;
  readonly send: (call: PlannedCall) => void;
}

const answerOf = (body: string): FunctionAnswer => ({
  status: 200,
  headers: { "x-request-id": "first" },
  body: Buffer.from(body),
});

function startWorld(scheduler: Scheduler, isIdempotent: boolean): World {
  const durable = new Map<string, KeptCall>();
  const starts = new Map<string, number>();
  const step = (): Promise<void> => scheduler.schedule(Promise.resolve());

  const storeOf = (life: { isOver: boolean }): ReplayStore => {
    /** Before and after the change there is room for a crash and for others. */
    const act = async <T>(change: () => T): Promise<T> => {
      await step();
      if (life.isOver) return never();
      const result = change();
      await step();
      return life.isOver ? never() : result;
    };
    return {
      find: (id) => act(() => durable.get(id)),
      start: ({ id, fingerprint }) =>
        act(() => durable.set(id, { fingerprint, state: "outcome-unknown" }) === durable),
      finish: (id, answer) =>
        act(() => {
          const kept = answer && ({ fingerprint: id, state: "answered", answer } as const);
          durable.set(id, kept ?? { fingerprint: id, state: "answer-not-kept" });
          return kept !== undefined;
        }),
      forget: (id) => act(() => void durable.delete(id)),
      close: () => Promise.resolve(),
    };
  };
  const begin = (): { readonly life: { isOver: boolean }; readonly answers: ReplayedAnswers } => {
    const life = { isOver: false };
    const store = storeOf(life);
    const stores = { key: store, sdk: store };
    const ports = { stores, clock: endlessClock, joinsMax: 100, onReplay: () => undefined };
    return { life, answers: replayedAnswers(ports) };
  };
  let agent = begin();

  const executeOf =
    ({ key, fate }: PlannedCall, { life }: typeof agent): Execute =>
    async (leave, signal) => {
      const ended = (ending: CallEnding): ReturnType<Execute> =>
        Promise.resolve({ answer: answerOf(`${ending} ${starts.get(key)}`), ending });
      await step();
      if (fate === "is-refused" || signal.aborted) return ended("not-executed");
      if (!(await leave.ask(false)) || fate === "does-not-begin") return ended("not-executed");
      if (life.isOver) return never();
      starts.set(key, (starts.get(key) ?? 0) + 1);
      await step();
      if (life.isOver) return never();
      return ended(fate === "is-lost" ? "unknown" : "told");
    };

  const world: World = {
    starts,
    answers: [],
    unsettled: 0,
    crash: () => {
      agent.life.isOver = true;
      world.unsettled = 0;
      agent = begin();
    },
    send: (planned) => {
      const { life, answers } = agent;
      const gone = new AbortController();
      if (planned.leaves) void step().then(() => gone.abort());
      const mayGo = planned.fate !== "is-withdrawn";
      const call: KeyedCall = {
        key: { source: "key", id: planned.key, tenant: "demo", fingerprint: planned.key },
        isIdempotent,
        requestId: "r",
        deadlineAtMs: Infinity,
        callerGone: gone.signal,
        leave: { waits: () => undefined, ask: () => step().then(() => mayGo) },
        failure: ({ code }) => answerOf(code),
      };
      world.unsettled += 1;
      void answers(call, executeOf(planned, agent)).then((answer) => {
        if (life.isOver) return;
        assert.ok("body" in answer);
        world.unsettled -= 1;
        world.answers.push({ key: planned.key, body: answer.body.toString() });
      });
    },
  };
  return world;
}

const never = <T>(): Promise<T> => new Promise(() => undefined);

const endlessClock: Clock = {
  nowMs: () => 0,
  wallMs: () => 0,
  sleep: (_delayMs, signal) =>
    new Promise((_resolve, reject) => {
      const stop = (): void => reject(new Error("stopped"));
      signal?.addEventListener("abort", stop, { once: true });
      if (signal?.aborted === true) stop();
    }),
};

const plannedCall = fc.record({
  key: fc.constantFrom("a", "b"),
  fate: fc.constantFrom<Fate>("answers", "is-lost", "is-refused", "does-not-begin", "is-withdrawn"),
  leaves: fc.boolean(),
});
const event = fc.record({
  what: fc.oneof({ weight: 4, arbitrary: plannedCall }, fc.constant("crash" as const)),
  /** How much of what came before happens first. */
  afterSteps: fc.nat(12),
});
type Event = typeof event extends fc.Arbitrary<infer One> ? One : never;

async function play(
  scheduler: Scheduler,
  events: readonly Event[],
  isIdempotent: boolean,
): Promise<World> {
  const world = startWorld(scheduler, isIdempotent);
  const happen = async ({ what, afterSteps }: Event): Promise<void> => {
    for (let steps = 0; steps <= afterSteps; steps += 1)
      await scheduler.schedule(Promise.resolve());
    if (what === "crash") world.crash();
    else world.send(what);
  };
  const all = Promise.all(events.map(happen));
  await scheduler.waitIdle();
  await all;
  return world;
}

test("whatever the order of calls, ends and crashes, a key never starts a function twice that is not idempotent", () =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(event, { maxLength: 12 }), async (s, events) => {
      const world = await play(s, events, false);
      for (const [key, starts] of world.starts) assert.ok(starts <= 1, `${key}: ${starts} starts`);
      assert.equal(world.unsettled, 0, "calls without an answer");
    }),
    { numRuns: 400 },
  ));

test("every answer of the function under one key is the same", () =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(event, { maxLength: 12 }), async (s, events) => {
      const { answers } = await play(s, events, false);
      for (const key of ["a", "b"]) {
        const told = answers.filter((one) => one.key === key && one.body.startsWith("told"));
        assert.ok(new Set(told.map(({ body }) => body)).size <= 1, JSON.stringify(told));
      }
    }),
    { numRuns: 100 },
  ));

test("a function that is idempotent is started again only after a crash or a lost instance, and all calls have an end", () =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(event, { maxLength: 12 }), async (s, events) => {
      const world = await play(s, events, true);
      const faults = events.filter(
        ({ what }) => what === "crash" || what.fate === "is-lost",
      ).length;
      for (const [key, starts] of world.starts)
        assert.ok(starts <= 1 + faults, `${key}: ${starts} starts, ${faults} faults`);
      assert.equal(world.unsettled, 0, "calls without an answer");
    }),
    { numRuns: 100 },
  ));
