import assert from "node:assert/strict";
import { test } from "node:test";
import {
  eventually,
  isAlive,
  type Placed,
  type RunningAgent,
  startAgentHere,
} from "./support/agent-world.ts";

interface Failure {
  readonly name: string;
  readonly manifest?: Placed["manifest"];
  readonly errorType: string;
  readonly phase: "init" | "call";
  readonly reason: string;
}

// One row a line: each way in which a function fails has a type, a line in its log and a counter.
const failures: readonly Failure[] = [
  { name: "throws", errorType: "RangeError", phase: "call", reason: "handler" },
  {
    name: "never",
    manifest: { timeoutMs: 200 },
    errorType: "Sandbox.Timedout",
    phase: "call",
    reason: "timeout",
  },
  {
    name: "spins",
    manifest: { timeoutMs: 200 },
    errorType: "Sandbox.Timedout",
    phase: "call",
    reason: "timeout",
  },
  { name: "exits", errorType: "Runtime.ExitError", phase: "call", reason: "exit" },
  {
    name: "fillsHeap",
    manifest: { memoryMegabytes: 64, timeoutMs: 20_000 },
    errorType: "Runtime.OutOfMemory",
    phase: "call",
    reason: "out-of-memory",
  },
  {
    name: "quits",
    manifest: { handler: "quits.handler" },
    errorType: "Runtime.ExitError",
    phase: "init",
    reason: "exit",
  },
  {
    name: "broken",
    manifest: { handler: "broken.handler" },
    errorType: "Runtime.ImportModuleError",
    phase: "init",
    reason: "runtime",
  },
];

for (const { name, manifest = {}, errorType, phase, reason } of failures)
  test(`${name}: ${errorType}, with a line in its log and counted as ${phase} ${reason}`, async (t) => {
    const agent = await startAgentHere(t, [{ name, manifest }]);
    const requestId = `r-${name}`;
    const answer = await agent.invoke(name, { requestId });
    assert.equal(answer.status, 200);
    assert.equal(answer.json()["errorType"], errorType);
    const counter = `function_failures_total{[^}]*phase="${phase}",reason="${reason}"[^}]*} 1`;
    assert.match(await metricsOf(agent), new RegExp(counter));
    const query = `tenant=demo&function=${name.toLowerCase()}&requestId=${requestId}`;
    const logs = (await agent.get(`/internal/logs?${query}`)).text;
    assert.ok(logs.includes(`ERROR ${errorType}`), logs);
  });

test("a module that does not finish loading is a timeout of the start", async (t) => {
  const stalls = { name: "stalls", manifest: { handler: "stalls.handler" } };
  const agent = await startAgentHere(t, [stalls], { initTimeoutMs: 1_500 });
  assert.equal((await agent.invoke("stalls")).json()["errorType"], "Runtime.InitTimeout");
  assert.match(await metricsOf(agent), /failures_total{[^}]*phase="init",reason="timeout"[^}]*} 1/);
});

test("a version that does not start is a figure of its own until it does", async (t) => {
  const quits = { name: "quits", manifest: { handler: "quits.handler" } };
  const agent = await startAgentHere(t, [quits]);
  assert.match(await metricsOf(agent), /failing_versions{[^}]*} 0/);
  await eventually(async () => {
    await agent.invoke("quits");
    return /failing_versions{[^}]*} 1/.test(await metricsOf(agent));
  });
});

test("a request that kills its instance, over and over, fails alone: calls beside it are answered, and nothing is held back", async (t) => {
  const agent = await startAgentHere(t, [{ name: "exits", manifest: {} }, ...neighbours]);
  const poisoned = Array.from({ length: 6 }, () => agent.invoke("exits"));
  const good = Array.from({ length: 6 }, () => agent.invoke("echo"));
  for (const answer of await Promise.all(poisoned))
    assert.equal(answer.json()["errorType"], "Runtime.ExitError");
  for (const answer of await Promise.all(good)) assert.ok("event" in answer.json());
  assert.match(await metricsOf(agent), /failing_versions{[^}]*} 0/);
});

test("calls that share an instance with one that kills it are told so, and the next one is served", async (t) => {
  const agent = await startAgentHere(t, [{ name: "ledger", manifest: shared }]);
  const killed = await Promise.all([
    agent.invoke("ledger", { json: { ms: 60_000 } }),
    agent.invoke("ledger", { json: { ms: 60_000 } }),
    agent.invoke("ledger", { json: { exits: true } }),
  ]);
  for (const answer of killed)
    assert.equal(answer.json()["errorType"], "Runtime.ExitError", answer.text);
  assert.equal((await agent.invoke("ledger")).text, '{"done":true}');
});

test("a call that never ends holds up a stop no longer than the drain may take, and leaves no process", async (t) => {
  const never = { name: "never", manifest: { timeoutMs: 600_000 } };
  const agent = await startAgentHere(t, [never], { drainMs: 300 });
  const stuck = agent.invoke("never", { deadlineMs: 600_000 }).catch(() => "cut");
  await eventually(async () => /instances{[^}]*busy[^}]*} 1/.test(await metricsOf(agent)));
  const pids = agent.pids();
  assert.ok(pids.length > 0);
  await agent.stop();
  await stuck;
  await eventually(async () => !(await Promise.all(pids.map(isAlive))).includes(true));
});

const neighbours: readonly Placed[] = [{ name: "echo", manifest: {} }];
const shared = {
  handler: "ledger.handler",
  concurrency: 3,
  timeoutMs: 120_000,
  environment: { LEDGER: "/dev/null" },
};

const metricsOf = async ({ adminUrl }: RunningAgent): Promise<string> =>
  (await fetch(`${adminUrl}/metrics`)).text();
