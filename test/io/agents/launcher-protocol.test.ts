import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import type { ToLauncher } from "../../../agents/launcher/messages.ts";
import { eventually, isAlive } from "./support/agent-world.ts";
import { LAUNCHER_TOKEN, startLauncher } from "./support/launcher-peer.ts";

/* The launcher alone, spoken to as an agent does, and as nobody should. */

const hello = (agentStartedAtMs?: number): ToLauncher => ({
  kind: "hello",
  token: LAUNCHER_TOKEN,
  ...(agentStartedAtMs === undefined ? {} : { agentStartedAtMs }),
});
const sleepFor = (instance: string, note?: unknown): ToLauncher => ({
  kind: "start",
  instance,
  command: ["sleep", "300"],
  environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
  directory: "/",
  memoryBytesMax: 1e9,
  note,
});

test("the next agent is told what runs, with what was noted of it, and the one before that it is replaced", async (t) => {
  const world = await startLauncher(t);
  const first = await world.connect();
  first.say(hello(1));
  assert.deepEqual((await first.hear("hello")).running, []);
  const note = { for: ["the next one"] };
  first.say(sleepFor("a", note));
  const { pid, startedAt } = await first.hear("started");

  const second = await world.connect();
  second.say(hello(2));
  const { running } = await second.hear("hello");
  assert.deepEqual(running, [{ instance: "a", pid, startedAt, note }]);
  await first.hear("replaced");
  await first.closed;

  const late = await world.connect();
  late.say(hello(1));
  await late.hear("replaced");
  await late.closed;
  second.say({ kind: "ping" });
  await second.hear("pong");
  assert.ok(await isAlive(pid));
});

test("an agent of the version before finds nothing running", async (t) => {
  const world = await startLauncher(t);
  const first = await world.connect();
  first.say(hello(1));
  first.say(sleepFor("a"));
  const { pid } = await first.hear("started");
  const old = await world.connect();
  old.say(hello());
  await old.hear("hello");
  await eventually(async () => !(await isAlive(pid)));
});

test("what is started twice runs once, and what is malformed harms nothing else", async (t) => {
  const world = await startLauncher(t);
  const agent = await world.connect();
  agent.say(hello(1));
  agent.say(sleepFor("a"));
  const { pid } = await agent.hear("started");
  agent.say(sleepFor("a"));
  agent.say({ kind: "start", instance: "b" } as ToLauncher);
  agent.say({ kind: "nothing we know" } as unknown as ToLauncher);
  agent.say({ kind: "kill", instance: "nobody" });
  assert.equal((await agent.hear("not-started")).instance, "b");
  agent.say({ kind: "ping" });
  await agent.hear("pong");
  assert.ok(await isAlive(pid));
  assert.equal(agent.heard.filter(({ kind }) => kind === "started").length, 1);
  await eventually(() => world.log().includes("a runs already"));
  agent.say({ kind: "kill", instance: "a" });
  assert.equal((await agent.hear("exited")).signal, "SIGKILL");
});

const strangers: readonly { readonly does: string; readonly words: string }[] = [
  { does: "says a wrong token", words: `${JSON.stringify({ kind: "hello", token: "wrong" })}\n` },
  { does: "says something else first", words: `${JSON.stringify({ kind: "shutdown" })}\n` },
  { does: "speaks no JSON", words: "GET / HTTP/1.1\r\n\r\n" },
  { does: "speaks JSON of nothing", words: "null\n" },
  { does: "never ends its line", words: "x".repeat(100_000) },
  { does: "says nothing at all", words: "" },
];
for (const { does, words } of strangers)
  test(`who ${does} is cut off, and the agent notices nothing`, async (t) => {
    const world = await startLauncher(t);
    const agent = await world.connect();
    agent.say(hello(1));
    agent.say(sleepFor("a"));
    const { pid } = await agent.hear("started");
    const stranger = await world.connect();
    stranger.socket.write(words);
    await stranger.closed;
    assert.deepEqual(stranger.heard, []);
    agent.say({ kind: "ping" });
    await agent.hear("pong");
    assert.ok(await isAlive(pid));
  });

const isRoot = process.getuid?.() === 0;
test("another user cannot even knock", { skip: !isRoot && "needs root" }, async (t) => {
  const { settings } = await startLauncher(t);
  const knock = `require("net").connect(${JSON.stringify(settings.socketPath)}, () => process.exit(1))
    .on("error", ({ code }) => console.log(code))`;
  const asNobody = { uid: 65_534, gid: 65_534, cwd: "/", env: {}, encoding: "utf8" } as const;
  const { stdout, error } = spawnSync(process.execPath, ["-e", knock], asNobody);
  if (error !== undefined) return t.skip(`no program runs as another user: ${error.message}`);
  assert.equal(stdout.trim(), "EACCES");
});

test("a launcher that nobody comes for ends with all that it runs, and leaves no socket", async (t) => {
  const world = await startLauncher(t);
  const agent = await world.connect();
  agent.say(hello(1));
  agent.say(sleepFor("a"));
  const { pid } = await agent.hear("started");
  const exited = once(world.launcher, "exit");
  agent.socket.destroy();
  assert.deepEqual(await exited, [0, null]);
  await eventually(async () => !(await isAlive(pid)));
  assert.equal(existsSync(world.settings.socketPath), false);
});
