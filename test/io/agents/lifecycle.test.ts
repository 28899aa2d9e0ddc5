import assert from "node:assert/strict";
import { test } from "node:test";
import { startAgentProcess } from "./support/agent-process.ts";
import { eventually, isAlive, type Placed, startAgentHere } from "./support/agent-world.ts";

const node = (name: string, manifest: Placed["manifest"] = {}): Placed => ({ name, manifest });
const goneAll = async (pids: readonly number[]): Promise<boolean> =>
  !(await Promise.all(pids.map(isAlive))).includes(true);

test("fifty calls at once are all answered, by instances started for them", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps", { timeoutMs: 20_000 })]);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      agent.invoke("sleeps", { json: { ms: 200 }, requestId: `r-${index}` }),
    ),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const pids = new Set(answers.map((answer) => answer.json()["pid"]));
  assert.ok(pids.size > 1, `${pids.size} instances`);
});

test("one instance serves as many calls side by side as its concurrency allows", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps", { concurrency: 10 })]);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => agent.invoke("sleeps", { json: { ms: 100 } })),
  );
  assert.equal(new Set(answers.map((answer) => answer.json()["pid"])).size, 1);
});

test("a cluster never runs more instances than its limit", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps", { timeoutMs: 20_000 })], {
    instancesMax: 3,
  });
  const answers = await Promise.all(
    Array.from({ length: 9 }, () => agent.invoke("sleeps", { json: { ms: 50 } })),
  );
  assert.ok(new Set(answers.map((answer) => answer.json()["pid"])).size <= 3);
});

test("idle instances are reaped and the next call starts anew", async (t) => {
  const agent = await startAgentHere(t, [node("echo")], { idleMs: 200, extraIdleMs: 100 });
  const { pid } = (await agent.invoke("echo")).json();
  await eventually(() => goneAll([Number(pid)]));
  await eventually(() => agent.pids().length === 1);
  const again = await agent.invoke("echo");
  assert.notEqual(again.json()["pid"], pid);
  assert.equal(again.headers["meridian-cold-start"], "true");
});

test("where the cluster is full, an idle instance makes room for another function", async (t) => {
  const agent = await startAgentHere(t, [node("echo"), node("text")], { instancesMax: 1 });
  const { pid } = (await agent.invoke("echo")).json();
  assert.equal((await agent.invoke("text")).text, "plain words");
  assert.ok(await goneAll([Number(pid)]));
});

test("a call whose time is up before an instance is free was not started", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps")], { instancesMax: 1 });
  const first = agent.invoke("sleeps", { json: { ms: 1_000 } });
  await eventually(() => agent.pids().length === 2);
  const late = await agent.invoke("sleeps", { json: { ms: 0 }, deadlineMs: 100 });
  assert.equal(late.json()["code"], "MERIDIAN_DEADLINE_EXCEEDED");
  assert.equal(late.status, 504);
  assert.equal(late.isExecuted, false);
  assert.equal((await first).status, 200);
});

test("a call that runs past its gateway's deadline is a timeout of the answer", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps", { timeoutMs: 60_000 })]);
  await agent.invoke("sleeps", { json: { ms: 0 } });
  const answer = await agent.invoke("sleeps", { json: { ms: 60_000 }, deadlineMs: 300 });
  assert.equal(answer.json()["code"], "MERIDIAN_ANSWER_TIMEOUT");
  assert.equal(answer.isExecuted, true);
});

test("more waiting calls than the queue takes are refused at once", async (t) => {
  const limits = { instancesMax: 1, queueLengthMax: 2 };
  const agent = await startAgentHere(t, [node("sleeps")], limits);
  await agent.invoke("sleeps", { json: { ms: 0 } });
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => agent.invoke("sleeps", { json: { ms: 300 } })),
  );
  const codes = answers.map((answer) => answer.headers["meridian-error-code"] ?? "ok");
  assert.equal(codes.filter((code) => code === "ok").length, 3);
  assert.equal(codes.filter((code) => code === "MERIDIAN_OVERLOADED").length, 3);
  for (const answer of answers) assert.equal(answer.isExecuted, answer.status === 200);
});

test("a caller who leaves frees his place in the queue", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps")], { instancesMax: 1, queueLengthMax: 1 });
  await agent.invoke("sleeps", { json: { ms: 0 } });
  const running = agent.invoke("sleeps", { json: { ms: 2_000 } });
  const leaving = new AbortController();
  const left = agent.invoke("sleeps", { json: { ms: 0 }, signal: leaving.signal });
  await eventually(async () => /queued_calls\S* 1/.test(await metrics(agent.adminUrl)));
  leaving.abort();
  await assert.rejects(left);
  await eventually(async () => /queued_calls\S* 0/.test(await metrics(agent.adminUrl)));
  assert.equal((await agent.invoke("sleeps", { json: { ms: 0 } })).status, 200);
  await running;
});

test("a stop finishes what runs, refuses what comes and leaves no process", async (t) => {
  const agent = await startAgentHere(t, [node("sleeps"), node("forks")]);
  const { childPid } = (await agent.invoke("forks")).json();
  const running = agent.invoke("sleeps", { json: { ms: 1_500 } });
  await eventually(async () => /instances\{[^}]*busy[^}]*\} 1/.test(await metrics(agent.adminUrl)));
  const pids = [...agent.pids(), Number(childPid)];
  const stopped = agent.stop();
  const refused = await agent.invoke("sleeps", { json: { ms: 0 } });
  assert.equal(refused.json()["code"], "MERIDIAN_DRAINING");
  assert.equal(refused.isExecuted, false);
  assert.equal((await running).status, 200);
  await stopped;
  await eventually(() => goneAll(pids));
});

test("a launcher that is killed takes all instances with it, and calls go on with the next one", async (t) => {
  const agent = await startAgentHere(t, [node("forks"), node("spins", { timeoutMs: 20_000 })]);
  const { pid, childPid } = (await agent.invoke("forks")).json();
  const spinning = agent.invoke("spins", { deadlineMs: 20_000 });
  await eventually(() => agent.pids().length === 3);
  await eventually(async () => /instances\{[^}]*busy[^}]*\} 1/.test(await metrics(agent.adminUrl)));
  const [launcher = 0, ...instances] = agent.pids();
  assert.ok(instances.includes(Number(pid)));
  process.kill(launcher, "SIGKILL");
  const lost = await spinning;
  assert.equal(lost.json()["code"], "MERIDIAN_INSTANCE_LOST");
  assert.equal(lost.isExecuted, true);
  await eventually(() => goneAll([...instances, Number(childPid)]));
  assert.equal((await agent.invoke("forks")).status, 200);
});

test("a launcher that hangs is replaced, and what waited for it runs in an instance of the new one", async (t) => {
  const agent = await startAgentHere(t, [node("echo"), node("text")]);
  const { pid } = (await agent.invoke("echo")).json();
  const [launcher = 0] = agent.pids();
  process.kill(launcher, "SIGSTOP");
  assert.equal((await agent.invoke("text")).text, "plain words");
  await eventually(() => goneAll([launcher, Number(pid)]));
  assert.notEqual(agent.pids()[0], launcher);
});

test("what a function starts outside of its process group goes with its instance", async (t) => {
  const limits = { idleMs: 200, extraIdleMs: 100 };
  const agent = await startAgentHere(t, [node("escapes")], limits);
  const other = await startAgentHere(t, [node("escapes")]);
  const { childPid } = (await agent.invoke("escapes")).json();
  const spared = (await other.invoke("escapes")).json();
  await eventually(() => goneAll([Number(childPid)]));
  assert.equal(await isAlive(Number(spared["childPid"])), true);
  await other.stop();
  await eventually(() => goneAll([Number(spared["childPid"])]));
});

test("what is left when agent and launcher are killed goes when the next agent starts", async (t) => {
  const first = await startAgentProcess(t, [node("escapes")], {});
  const { childPid } = (await first.invoke("escapes")).json();
  await eventually(() => first.pids.length > 0);
  const [launcher = 0] = first.pids;
  first.child.kill("SIGKILL");
  process.kill(launcher, "SIGKILL");
  await startAgentProcess(t, [], {}, first.config);
  await eventually(() => goneAll([Number(childPid)]));
});

test("a function's own PATH chooses no program of the platform's", async (t) => {
  const agent = await startAgentHere(t, [node("echo", { environment: { PATH: "/nowhere" } })]);
  assert.equal((await agent.invoke("echo")).status, 200);
});

test("an agent that is killed leaves nothing once its launcher's grace is over", async (t) => {
  const agent = await startAgentProcess(t, [node("forks"), node("spins")], {
    launcherGraceMs: 300,
  });
  const { childPid } = (await agent.invoke("forks")).json();
  agent.invoke("spins").catch(() => undefined);
  await eventually(() => agent.pids.length === 3);
  const pids = [...agent.pids, Number(childPid)];
  agent.child.kill("SIGKILL");
  await eventually(() => goneAll(pids));
});

async function metrics(adminUrl: string): Promise<string> {
  return (await fetch(`${adminUrl}/metrics`)).text();
}
