import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { systemClock } from "#lib/io/system-clock.ts";
import { memoryReplays } from "../../../agents/io/memory-replays.ts";
import { type ReplayEvent, replayedAnswers } from "../../../agents/io/replayed-answers.ts";
import type { ServeExchange } from "../../../agents/io/exchange.ts";
import { answerOf, bodyOf, type LinkWorld, startLinkWorld } from "./link-world.ts";

const LIMITS = { windowMs: 60_000, keysMax: 100, bytesMax: 1024 * 1024 };

interface KeyedWorld extends LinkWorld {
  readonly finish: () => void;
  /** Resolves at the second `go`: the second call has joined. */
  readonly secondWent: Promise<unknown>;
  readonly events: readonly ReplayEvent[];
}

/** All calls have one key; the first runs until it is finished. */
async function startKeyedWorld(t: TestContext): Promise<KeyedWorld> {
  const events: ReplayEvent[] = [];
  const finished = Promise.withResolvers<void>();
  const secondWent = Promise.withResolvers<void>();
  const store = memoryReplays(LIMITS, systemClock);
  const answers = replayedAnswers({
    stores: { key: store, sdk: store },
    clock: systemClock,
    joinsMax: 10,
    onReplay: (_source, event) => events.push(event),
  });
  let starts = 0;
  let leaves = 0;
  const serve: ServeExchange = async ({ headers, readBody, callerGone, leave }) => {
    const requestId = String(headers["x-request-id"]);
    await readBody();
    return answers(
      {
        key: { source: "key", id: "one", tenant: "demo", fingerprint: "one" },
        isIdempotent: false,
        requestId,
        deadlineAtMs: systemClock.nowMs() + 10_000,
        callerGone,
        leave: {
          ...leave,
          ask: async (hasWaited) => {
            const isGiven = await leave.ask(hasWaited);
            leaves += 1;
            if (leaves === 2) secondWent.resolve();
            return isGiven;
          },
        },
        failure: ({ code }, isExecuted) =>
          answerOf(503, code, { "meridian-executed": String(isExecuted) }),
      },
      async (executionLeave) => {
        if (!(await executionLeave.ask(false)))
          return { answer: answerOf(503, "withdrawn"), ending: "not-executed" };
        starts += 1;
        await finished.promise;
        return { answer: answerOf(200, `start ${starts}`), ending: "told" };
      },
    );
  };
  const world = await startLinkWorld(t, { serve });
  return { ...world, finish: finished.resolve, secondWent: secondWent.promise, events };
}

for (const startsOn of ["go", "slot"] as const)
  test(
    `a call that joined another is not held for not begun when its cluster is given up, on ${startsOn}`,
    { timeout: 10_000 },
    async (t) => {
      const { client, call, finish, secondWent, events } = await startKeyedWorld(t);
      const first = call("first", { startsOn });
      const second = call("second", { startsOn });
      await secondWent;
      client.giveUp();
      finish();
      assert.equal((await bodyOf(await first)).toString(), "start 1");
      const outcome = await second;
      assert.equal((await bodyOf(outcome)).toString(), "start 1");
      assert.ok(outcome.kind === "answered");
      assert.equal(outcome.answer.headers["meridian-replayed"], "true");
      assert.deepEqual(events, ["ran", "joined"]);
    },
  );

test("a call that repeats an answered one needs no go", async (t) => {
  const { call, finish, events } = await startKeyedWorld(t);
  finish();
  await call("first");
  assert.equal((await bodyOf(await call("second"))).toString(), "start 1");
  assert.deepEqual(events, ["ran", "replayed"]);
});
