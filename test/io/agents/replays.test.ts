import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { AgentConfig } from "../../../agents/config.ts";
import { startAgentProcess } from "./support/agent-process.ts";
import {
  type Answer,
  type Caller,
  eventually,
  type Placed,
  startAgentHere,
} from "./support/agent-world.ts";

const once: Placed = { name: "counts", manifest: { timeoutMs: 20_000 } };
const again: Placed = { name: "counts", manifest: { timeoutMs: 20_000, idempotent: true } };

interface Ask {
  readonly key?: string;
  readonly sdk?: string;
  readonly alias?: string;
  /** By which its starts are told from those of others. */
  readonly id?: string;
  readonly ms?: number;
  readonly manner?: "answers" | "throws" | "exits" | "is-large";
  readonly requestId?: string;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

interface Counted {
  readonly ask: (ask?: Ask) => Promise<Answer>;
  /** How often the function was started. */
  readonly starts: () => Promise<number>;
  readonly startsById: () => Promise<ReadonlyMap<string, number>>;
}

/** Calls of the function that counts its starts. */
function counted({ invoke }: Pick<Caller, "invoke">, { stateDirectory }: AgentConfig): Counted {
  const ledger = join(stateDirectory, "ledger");
  const startedIds = async (): Promise<readonly string[]> =>
    (await readFile(ledger, "utf8").catch(() => "")).split(";").slice(0, -1);
  return {
    ask: ({ key = "k-1", sdk, alias = "live", id, ms = 0, manner = "answers", ...rest } = {}) =>
      invoke("counts", {
        json: { ledger, id, ms, manner },
        headers: {
          "meridian-alias": alias,
          ...(sdk === undefined
            ? { "meridian-idempotency-key": key }
            : { "meridian-sdk-invocation-id": sdk }),
        },
        ...rest,
      }),
    starts: async () => (await startedIds()).length,
    startsById: async () => {
      const counts = new Map<string, number>();
      for (const id of await startedIds()) counts.set(id, (counts.get(id) ?? 0) + 1);
      return counts;
    },
  };
}

async function countedHere(t: TestContext, placed: Placed, changes: Partial<AgentConfig> = {}) {
  const agent = await startAgentHere(t, [placed], changes);
  return { agent, ...counted(agent, agent.config) };
}

test("a second call with the key is answered as the first was, and says so", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  const first = await ask({ requestId: "first" });
  const second = await ask({ requestId: "second" });
  assert.equal(first.headers["meridian-replay-kept"], "true");
  assert.equal(first.headers["meridian-replayed"], undefined);
  assert.equal(second.text, first.text);
  assert.equal(second.headers["content-type"], "application/json");
  assert.equal(second.headers["meridian-replayed"], "true");
  assert.equal(second.headers["meridian-replay-kept"], "true");
  assert.equal(second.headers["meridian-replay-of"], "first");
  assert.equal(second.headers["x-request-id"], "second");
  assert.equal(second.headers["meridian-cold-start"], "false");
  assert.equal(second.headers["meridian-cold-start-phases"], undefined);
  assert.equal(second.headers["meridian-timing"], undefined);
  assert.equal(second.isExecuted, true);
  assert.equal(await starts(), 1);
});

test("twenty calls with one key at the same time run the function once, and all have its answer", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ ms: 200 })));
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
  assert.equal(answers.filter(({ headers }) => headers["meridian-replayed"] === "true").length, 19);
  assert.equal(await starts(), 1);
});

test("an error of the function is an answer like any other", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  for (const _ of [1, 2])
    assert.equal((await ask({ manner: "throws" })).headers["meridian-function-error"], "Handled");
  assert.equal(await starts(), 1);
});

test("keys of other aliases and other keys are other calls; a key with another request is refused", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  await ask();
  await ask({ alias: "beta" });
  await ask({ key: "k-2" });
  assert.equal(await starts(), 3);
  const reused = await ask({ ms: 1 });
  assert.equal(reused.status, 422);
  assert.equal(reused.json()["code"], "MERIDIAN_KEY_REUSED");
  assert.equal(reused.isExecuted, false);
  const [running, reusedWhileItRuns] = await Promise.all([
    ask({ key: "k-3", ms: 100 }),
    ask({ key: "k-3", ms: 101 }),
  ]);
  assert.deepEqual(
    [running.status, reusedWhileItRuns.status].toSorted((one, other) => one - other),
    [200, 422],
  );
  assert.equal(await starts(), 4);
});

test("malformed keys are refused, and nothing runs", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  for (const key of ["", "with space", "k".repeat(256)])
    assert.equal((await ask({ key })).json()["code"], "MERIDIAN_BAD_REQUEST");
  assert.equal((await ask({ alias: "../live" })).status, 400);
  assert.equal(await starts(), 0);
});

test("a caller who leaves after the start finds the answer under the key", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  const leaving = new AbortController();
  const left = ask({ ms: 400, signal: leaving.signal });
  await eventually(async () => (await starts()) === 1);
  leaving.abort();
  await assert.rejects(left);
  const answer = await ask({ ms: 400 });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["meridian-replayed"], "true");
  assert.equal(await starts(), 1);
});

test("a call that was not started leaves the key to the next one", async (t) => {
  const { agent, ask, starts } = await countedHere(t, once, { instancesMax: 1 });
  const other = ask({ key: "other", ms: 600 });
  await eventually(async () => (await starts()) === 1);
  const late = ask({ deadlineMs: 100 });
  const joined = ask({ deadlineMs: 10_000 });
  assert.equal((await late).json()["code"], "MERIDIAN_DEADLINE_EXCEEDED");
  assert.equal((await other).status, 200);
  assert.equal((await joined).status, 200);
  assert.equal(await starts(), 2);
  assert.match(await metricsOf(agent.adminUrl), /replays_total\{.*key.*"ran".*\} 2/);
});

test("who joins waits no longer than its own time, and can come again", async (t) => {
  const { ask, starts } = await countedHere(t, once);
  const first = ask({ ms: 500 });
  await eventually(async () => (await starts()) === 1);
  const hasty = await ask({ ms: 500, deadlineMs: 50 });
  assert.equal(hasty.json()["code"], "MERIDIAN_ANSWER_TIMEOUT");
  assert.equal(hasty.isExecuted, true);
  assert.equal((await ask({ ms: 500 })).text, (await first).text);
  assert.equal(await starts(), 1);
});

test("an instance that is lost is lost for all calls with the key, unless the function is idempotent", async (t) => {
  for (const [placed, startsExpected] of [
    [once, 1],
    [again, 2],
  ] as const) {
    const { agent, ask, starts } = await countedHere(t, placed);
    const running = ask({ ms: 1_000 });
    await eventually(async () => (await starts()) === 1);
    const [launcher = 0] = agent.pids();
    process.kill(launcher, "SIGKILL");
    assert.equal((await running).json()["code"], "MERIDIAN_INSTANCE_LOST");
    const replay = ask({ ms: 1_000 });
    if (startsExpected === 1) assert.equal((await replay).json()["code"], "MERIDIAN_INSTANCE_LOST");
    else assert.equal((await replay).status, 200);
    assert.equal(await starts(), startsExpected);
  }
});

test("where there is no room for a key the call runs all the same, and says that it is not kept", async (t) => {
  const { agent, ask, starts } = await countedHere(t, once, { replayKeysMax: 2 });
  assert.equal((await ask({ key: "a" })).headers["meridian-replay-kept"], "true");
  for (const _ of [1, 2]) {
    const full = await ask({ key: "b" });
    assert.equal(full.status, 200);
    assert.equal(full.headers["meridian-replay-kept"], "false");
  }
  assert.equal((await ask({ key: "a" })).headers["meridian-replayed"], "true");
  assert.equal(await starts(), 3);
  assert.match(await metricsOf(agent.adminUrl), /replays_total\{.*"not-kept".*\} 2/);
});

test("where there is room for the key alone, the answer cannot be had again and nothing runs twice", async (t) => {
  const { ask, starts } = await countedHere(t, once, { replayBytesMax: 50_000 });
  const first = await ask({ manner: "is-large" });
  assert.equal(first.status, 200);
  assert.equal(first.headers["meridian-replay-kept"], "key");
  const second = await ask({ manner: "is-large" });
  assert.equal(second.json()["code"], "MERIDIAN_ANSWER_NOT_KEPT");
  assert.equal(second.status, 409);
  assert.equal(second.isExecuted, true);
  assert.equal(await starts(), 1);
});

test("beyond its window a key is forgotten", async (t) => {
  const { ask, starts } = await countedHere(t, once, { replayWindowMs: 1 });
  await ask();
  await ask();
  assert.equal(await starts(), 2);
});

test("attempts of an AWS SDK are one call, and are not told about keys", async (t) => {
  const { agent, ask, starts } = await countedHere(t, once);
  const [first, joined] = await Promise.all([
    ask({ sdk: "a-b-c", ms: 100 }),
    ask({ sdk: "a-b-c", ms: 100 }),
  ]);
  const replayed = await ask({ sdk: "a-b-c", ms: 100 });
  assert.equal(new Set([first, joined, replayed].map(({ text }) => text)).size, 1);
  assert.equal(replayed.headers["meridian-replayed"], "true");
  assert.equal(replayed.headers["meridian-replay-kept"], undefined);
  assert.equal((await ask({ key: "a-b-c", ms: 100 })).headers["meridian-replayed"], undefined);
  assert.equal(await starts(), 2);
  const metrics = await metricsOf(agent.adminUrl);
  assert.match(metrics, /replays_total\{.*sdk.*"joined".*\} 1/);
  assert.match(metrics, /replays_total\{.*sdk.*"replayed".*\} 1/);
});

test("answers outlive an agent that is killed; a call that ran when it was is never run again", async (t) => {
  const first = await startAgentProcess(t, [once], {});
  const before = counted(first, first.config);
  const answered = await before.ask({ key: "answered" });
  const running = before.ask({ key: "running", ms: 30_000 });
  await eventually(async () => (await before.starts()) === 2);
  first.child.kill("SIGKILL");
  await assert.rejects(running);

  const second = await startAgentProcess(t, [], {}, first.config);
  const after = counted(second, second.config);
  const replayed = await after.ask({ key: "answered" });
  assert.equal(replayed.text, answered.text);
  assert.equal(replayed.headers["meridian-replayed"], "true");
  for (const _ of [1, 2]) {
    const lost = await after.ask({ key: "running", ms: 30_000 });
    assert.equal(lost.status, 502);
    assert.equal(lost.json()["code"], "MERIDIAN_CONNECTION_LOST");
    assert.equal(lost.isExecuted, true);
    assert.equal(lost.headers["meridian-replayed"], "true");
  }
  assert.equal(await after.starts(), 2);
});

test("an agent that is killed again and again under load starts no key twice, and tells each what became of it", async (t) => {
  const placed: Placed = { name: "counts", manifest: { timeoutMs: 20_000, concurrency: 50 } };
  const keys = Array.from({ length: 40 }, (_, index) => `k-${index}`);
  const askAll = ({ ask }: Counted) =>
    Promise.allSettled(keys.map((key, index) => ask({ key, id: key, ms: index * 5 })));
  let config: AgentConfig | undefined;
  for (const killAtStarts of [1, 15, 30]) {
    const agent = await startAgentProcess(t, [placed], {}, config);
    config = agent.config;
    const calls = counted(agent, config);
    let areAllTold = false;
    const asked = askAll(calls).then(() => (areAllTold = true));
    // Those that were to start when it was killed before are not started again: there may be fewer left.
    await eventually(async () => areAllTold || (await calls.starts()) >= killAtStarts);
    agent.child.kill("SIGKILL");
    await asked;
  }
  assert.ok(config !== undefined);
  const calls = counted(await startAgentProcess(t, [], {}, config), config);
  const told = (await askAll(calls)).map((one) =>
    one.status === "fulfilled" ? one.value.status : String(one.reason),
  );
  assert.deepEqual(
    told.filter((status) => status !== 200 && status !== 502),
    [],
  );
  assert.ok(told.includes(502), "some were running when it was killed");
  const starts = await calls.startsById();
  for (const [index, key] of keys.entries()) {
    const count = starts.get(key) ?? 0;
    // One that was to start, and was killed before it did, cannot be told from one that did.
    assert.ok(told[index] === 200 ? count === 1 : count <= 1, `${key} started ${count} times`);
  }
});

async function metricsOf(adminUrl: string): Promise<string> {
  return (await fetch(`${adminUrl}/metrics`)).text();
}
