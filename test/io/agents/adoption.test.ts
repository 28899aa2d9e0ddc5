import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { AgentUsage } from "#lib/contracts/usage.ts";
import { identifyProcess, isStillRunning } from "#lib/io/process-identity.ts";
import { hasPython } from "../../support/has-python.ts";
import type { AgentConfig } from "../../../agents/config.ts";
import { type AgentProcess, startAgentProcess } from "./support/agent-process.ts";
import {
  callerOf,
  endpointOf,
  eventually,
  isAlive,
  placeFunctions,
  type Placed,
} from "./support/agent-world.ts";
import { processesMarked } from "./support/marked-processes.ts";

/* What becomes of instances whose agent is killed: the next one adopts them, or nobody does. */

const who = (manifest: Placed["manifest"] = {}): Placed => ({ name: "saysWho", manifest });
const instanceOf = async (agent: AgentProcess, name: string, ms = 0): Promise<string> => {
  const answer = await agent.invoke(name, { json: { ms } });
  assert.equal(answer.status, 200, answer.text);
  return String(answer.json()["instance"]);
};
/** Nothing of the instance is left, whatever its process is inside of. */
const isGone = async (instance: string): Promise<boolean> =>
  (await processesMarked(`.${instance}`)).length === 0;

async function kill({ child }: AgentProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function replace(
  t: TestContext,
  agent: AgentProcess,
  changes: Partial<AgentConfig> = {},
): Promise<AgentProcess> {
  await kill(agent);
  return startAgentProcess(t, [], {}, { ...agent.config, ...changes });
}

async function count({ config }: AgentProcess, state: string): Promise<number> {
  const text = await (await fetch(`${(await endpointOf(config)).urls.admin}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`instances\\{[^}]*"${state}"[^}]*\\} ([0-9]+)`, "g"));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

async function usedOf(t: TestContext, { config }: AgentProcess) {
  const always = { fromMs: 0, toMs: 8_000_000_000_000_000 };
  const query = JSON.stringify({ ...always, interval: "total", by: "tenant", limit: 1 });
  const path = `/internal/usage?query=${encodeURIComponent(query)}`;
  const answer = await callerOf(t, (await endpointOf(config)).urls.internal ?? "").get(path);
  return Value.Parse(AgentUsage, answer.json()).rows[0];
}

const python = { runtime: "python", handler: "snake.says_who" } as const;
const languages: readonly { readonly name: string; readonly manifest: Placed["manifest"] }[] = [
  { name: "Node", manifest: {} },
  { name: "Python", manifest: python },
  { name: "Python with several calls at once", manifest: { ...python, concurrency: 4 } },
];
for (const { name, manifest } of languages) {
  const skip = manifest.runtime === "python" && !hasPython() && "python3 was not found here";
  test(`an idle instance of a killed agent serves the next ones: ${name}`, { skip }, async (t) => {
    const first = await startAgentProcess(t, [who(manifest)], {});
    const instance = await instanceOf(first, "saysWho");
    const [launcher] = first.pids;

    const second = await replace(t, first);
    await eventually(async () => (await count(second, "idle")) === 1);
    await eventually(() => second.pids[0] === launcher);
    const marked = await processesMarked(`.${instance}`);
    assert.ok(marked.some((pid) => second.pids.includes(pid)));
    const answer = await second.invoke("saysWho", { json: {} });
    assert.equal(answer.json()["instance"], instance);
    assert.equal(answer.headers["meridian-cold-start"], "false");

    const third = await replace(t, second);
    await eventually(async () => (await count(third, "idle")) === 1);
    assert.equal(await instanceOf(third, "saysWho"), instance);
    third.child.kill("SIGTERM");
    await eventually(() => isGone(instance));
  });
}

test("a call of before keeps its slot to its end, is counted once, and its instance is used again", async (t) => {
  const first = await startAgentProcess(t, [who({ timeoutMs: 20_000 })], {});
  const instance = await instanceOf(first, "saysWho");
  await eventually(async () => (await usedOf(t, first))?.invocations === 1);
  const lost = first.invoke("saysWho", { json: { ms: 8_000 } });
  lost.catch(() => undefined);
  await eventually(async () => (await count(first, "busy")) === 1);

  const second = await replace(t, first);
  await eventually(async () => (await count(second, "busy")) === 1);
  assert.notEqual(await instanceOf(second, "saysWho"), instance);
  await eventually(async () => (await count(second, "idle")) === 2);
  const used = await usedOf(t, second);
  assert.equal(used?.invocations, 3);
  assert.equal(used?.errors, 0);
  const both = [0, 1].map(() => instanceOf(second, "saysWho", 500));
  assert.ok((await Promise.all(both)).includes(instance));
});

test("a call of before that outlives its time takes its instance with it", async (t) => {
  const first = await startAgentProcess(t, [who({ timeoutMs: 8_000 })], {});
  const instance = await instanceOf(first, "saysWho");
  first.invoke("saysWho", { json: { ms: 600_000 } }).catch(() => undefined);
  await eventually(async () => (await count(first, "busy")) === 1);
  const second = await replace(t, first);
  await eventually(async () => (await count(second, "busy")) === 1);
  await eventually(() => isGone(instance));
  assert.equal(await count(second, "idle"), 0);
});

test("code that blocks its loop is adopted when it is done, and nothing waits for it", async (t) => {
  const placed = [{ name: "blocks", manifest: { timeoutMs: 20_000 } }, who()];
  const first = await startAgentProcess(t, placed, {});
  const instance = await instanceOf(first, "blocks");
  first.invoke("blocks", { json: { ms: 4_000 } }).catch(() => undefined);
  await eventually(async () => (await count(first, "busy")) === 1);
  const second = await replace(t, first);
  await instanceOf(second, "saysWho");
  await eventually(async () => (await count(second, "idle")) === 2);
  assert.equal(await instanceOf(second, "blocks"), instance);
});

test("what the table knows otherwise now, or not at all, is ended", async (t) => {
  const first = await startAgentProcess(t, [who(), { name: "blocks", manifest: {} }], {});
  const before = [await instanceOf(first, "saysWho"), await instanceOf(first, "blocks")];
  await kill(first);
  await placeFunctions(first.config, [who({ environment: { V: "2" } })]);
  const second = await startAgentProcess(t, [], {}, first.config);
  assert.ok(!before.includes(await instanceOf(second, "saysWho")));
  for (const instance of before) await eventually(() => isGone(instance));
});

test("servers and programs of one's own are ended, and begin anew", async (t) => {
  const server = {
    name: "server",
    manifest: { interface: "http", handler: "server.mjs" },
  } as const;
  const own = { name: "own", manifest: { runtime: "provided", handler: "echoes" } } as const;
  const call = async (agent: AgentProcess): Promise<void> => {
    const answer = await agent.invoke("own", { json: [1] });
    assert.equal(answer.text, "[1]");
    assert.equal((await agent.invoke("server", { json: {} })).status, 201);
  };
  const first = await startAgentProcess(t, [server, own], { poolMegabytesMax: 0 });
  await call(first);
  await eventually(() => first.pids.length >= 3);
  const before = first.pids.slice(1).flatMap((pid) => identifyProcess(pid) ?? []);
  const second = await replace(t, first);
  await eventually(() => !before.some(isStillRunning));
  await call(second);
});

test("an agent that hung while another took over ends when it wakes up, and harms nothing", async (t) => {
  const first = await startAgentProcess(t, [who()], {});
  const held = await instanceOf(first, "saysWho");
  const exited = once(first.child, "exit");
  first.child.kill("SIGSTOP");
  const second = await startAgentProcess(t, [], {}, first.config);
  const own = await instanceOf(second, "saysWho");
  assert.notEqual(own, held);
  first.child.kill("SIGCONT");
  assert.deepEqual(await exited, [1, null]);
  // What it held is free to come over, unless that took too long.
  await eventually(async () => (await count(second, "idle")) === 2 || (await isGone(held)));
  const third = await replace(t, second);
  await eventually(async () => (await count(third, "idle")) > 0);
  assert.ok([held, own].includes(await instanceOf(third, "saysWho")));
});

test("a launcher that hangs when its agent is killed is ended by the next one, with all that it ran", async (t) => {
  const first = await startAgentProcess(t, [who()], {});
  const instance = await instanceOf(first, "saysWho");
  const [launcher = 0] = first.pids;
  process.kill(launcher, "SIGSTOP");
  const second = await replace(t, first);
  await instanceOf(second, "saysWho");
  await eventually(async () => !(await isAlive(launcher)) && (await isGone(instance)));
});

test("a launcher whose socket file was removed serves on, and is ended by the agent that cannot find it", async (t) => {
  const first = await startAgentProcess(t, [who()], {});
  const instance = await instanceOf(first, "saysWho");
  const [launcher = 0] = first.pids;
  const folder = join(first.config.runDirectory, `${first.config.zone}.agent`);
  for (const name of await readdir(folder)) if (name.startsWith("l-")) await rm(join(folder, name));
  assert.equal(await instanceOf(first, "saysWho"), instance);
  const second = await replace(t, first);
  assert.notEqual(await instanceOf(second, "saysWho"), instance);
  await eventually(async () => !(await isAlive(launcher)) && (await isGone(instance)));
});
