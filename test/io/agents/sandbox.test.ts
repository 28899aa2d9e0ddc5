import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findProgram } from "../../../agents/drivers/sandbox/find-program.ts";
import { eventually, type RunningAgent, startAgentHere } from "./support/agent-world.ts";
import { sandboxObstacle } from "./support/sandbox-here.ts";

const skip = await sandboxObstacle();
const isRoot = process.getuid?.() === 0;
const noFilter =
  isRoot && (await findProgram("nft")) !== undefined
    ? skip
    : "it needs root and nft: `sudo npm run engines`, then `sudo npm test -- sandbox`";
const noGroups =
  existsSync("/sys/fs/cgroup/memory/tasks") && isRoot
    ? skip
    : "it needs root and control groups of version 1: `sudo npm test -- sandbox`";

const MANIFEST = { handler: "attacks.handler", timeoutMs: 20_000 };

function startAttacked(t: TestContext, manifest: object = {}): Promise<RunningAgent> {
  const placed = ["attacker", "neighbour"].map((name) => ({
    name,
    manifest: { ...MANIFEST, ...manifest },
  }));
  return startAgentHere(t, placed, { sandbox: "auto" });
}

async function attack(agent: RunningAgent, event: object, by = "attacker"): Promise<unknown> {
  const answer = await agent.invoke(by, { json: event });
  assert.equal(answer.status, 200, answer.text);
  const said = answer.json();
  return "seen" in said ? said["seen"] : said;
}

const isFine = async (agent: RunningAgent): Promise<void> => {
  for (const by of ["attacker", "neighbour"])
    assert.equal(await attack(agent, { attack: "nothing" }, by), "fine");
};

test("it reads no file of the agent's or a neighbour's, and writes none", { skip }, async (t) => {
  const agent = await startAttacked(t);
  const secret = join(agent.config.stateDirectory, "secret");
  await writeFile(secret, "the agent's", { mode: 0o600 });
  const read = (path: string, by?: string) => attack(agent, { attack: "read", path }, by);
  const write = (path: string, by?: string) => attack(agent, { attack: "write", path }, by);

  assert.equal(await read(secret), "ENOENT");
  assert.equal(await read("/proc/1/environ"), "EACCES");
  assert.equal(await read("/etc/shadow"), "ENOENT");
  assert.equal(await write("/tmp/left", "neighbour"), "written");
  assert.equal(await read("/tmp/left", "neighbour"), "mine");
  assert.equal(await read("/tmp/left"), "ENOENT");
  for (const path of ["/var/task/more.mjs", "/var/runtime/more.mjs", "/usr/more", "/more"])
    assert.match(String(await write(path)), /^(EROFS|EACCES)$/, path);
  await isFine(agent);
});

test("it sees and signals no process of the machine", { skip }, async (t) => {
  const agent = await startAttacked(t);
  assert.ok(Number(await attack(agent, { attack: "processes" })) <= 4);
  const victims = [process.pid, ...agent.pids()];
  for (const pid of victims)
    assert.equal(await attack(agent, { attack: "signal", pid }), "ESRCH", String(pid));
  await isFine(agent);
});

test("it has an environment of its own, and nothing of the agent's", { skip }, async (t) => {
  const environment = { AWKWARD: "it's $HOME `id`\n", LD_PRELOAD: "/var/task/attacks.mjs" };
  const agent = await startAttacked(t, { environment });
  const seen = (await attack(agent, { attack: "environment" })) as Record<string, string>;
  assert.equal(seen["AWKWARD"], environment.AWKWARD);
  assert.equal(seen["LD_PRELOAD"], environment.LD_PRELOAD);
  assert.equal(seen["LAMBDA_TASK_ROOT"], "/var/task");
  assert.deepEqual(
    Object.keys(seen).filter((name) => name.startsWith("MERIDIAN")),
    [],
  );
});

test(
  "it reaches no port of this machine, nor a cloud's metadata",
  { skip: noFilter },
  async (t) => {
    const agent = await startAttacked(t);
    const admin = {
      attack: "connect",
      host: "127.0.0.1",
      port: new URL(agent.adminUrl ?? "").port,
    };
    assert.equal(await attack(agent, admin), "ECONNREFUSED");
    const server = createServer((socket) => socket.destroy()).listen(0, "0.0.0.0");
    await once(server, "listening");
    t.after(() => server.close());
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    for (const host of ["127.0.0.1", "127.64.0.1", "localhost"])
      assert.equal(
        await attack(agent, { attack: "connect", host, port: address.port }),
        "ECONNREFUSED",
        host,
      );
    const metadata = { attack: "connect", host: "169.254.169.254", port: 80 };
    assert.equal(await attack(agent, metadata), "ECONNREFUSED");
    await isFine(agent);
  },
);

test(
  "rules whose process is killed are back at once, and what starts before they are waits for them",
  { skip: noFilter },
  async (t) => {
    const agent = await startAttacked(t);
    const port = new URL(agent.adminUrl).port;
    const admin = { attack: "connect", host: "127.0.0.1", port };
    assert.equal(await attack(agent, admin), "ECONNREFUSED");
    const [launcher = 0] = agent.pids();
    const before = filterOf(launcher);
    assert.ok(before !== undefined);
    process.kill(before, "SIGKILL");
    // Who makes new ones knows that the old are gone; they need not be in force yet.
    await eventually(() => ![undefined, before].includes(filterOf(launcher)));
    assert.equal(await attack(agent, admin, "neighbour"), "ECONNREFUSED");
    await isFine(agent);
  },
);

/** The nft of an agent, which its launcher runs. */
function filterOf(launcher: number): number | undefined {
  const children = readFileSync(`/proc/${launcher}/task/${launcher}/children`, "utf8");
  return children
    .trim()
    .split(" ")
    .map(Number)
    .find((pid) => commandOf(pid) === "nft");
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    // It is gone.
    return "";
  }
}

test(
  "with no network, it has a loopback and abstract sockets of its own and nothing else",
  { skip },
  async (t) => {
    const agent = await startAttacked(t, { network: "none" });
    const first = { json: { attack: "nothing" } };
    // It asks for a level, and the proof takes a moment.
    await eventually(async () => (await agent.invoke("attacker", first)).status === 200);
    const port = new URL(agent.adminUrl ?? "").port;
    const admin = { attack: "connect", host: "127.0.0.1", port };
    assert.equal(await attack(agent, admin), "ECONNREFUSED");
    const outside = { attack: "connect", host: "192.0.2.1", port: 80 };
    assert.equal(await attack(agent, outside), "ENETUNREACH");
    assert.equal(await attack(agent, { attack: "squat", port: Number(port) }), "listens");
    const path = `\0meridian-test-${process.pid}`;
    const abstract = createServer((socket) => socket.destroy()).listen(path);
    t.after(() => abstract.close());
    assert.equal(await attack(agent, { attack: "connect", path }), "ECONNREFUSED");
    await isFine(agent);
  },
);

test("a port that an instance took is nobody else's trouble", { skip }, async (t) => {
  const agent = await startAttacked(t);
  assert.equal(await attack(agent, { attack: "squat", port: 0 }), "listens");
  await isFine(agent);
});

test("a fork bomb is its own trouble, and the next call works", { skip: noGroups }, async (t) => {
  const agent = await startAttacked(t);
  assert.equal(await attack(agent, { attack: "forks" }), "forked");
  assert.equal(await attack(agent, { attack: "nothing" }, "neighbour"), "fine");
});

for (const bomb of ["memory", "disk"])
  test(`a ${bomb} bomb ends its instance for want of memory`, { skip: noGroups }, async (t) => {
    const agent = await startAttacked(t);
    const error = (await attack(agent, { attack: bomb })) as { errorType: string };
    assert.equal(error.errorType, "Runtime.OutOfMemory");
    await isFine(agent);
  });

test("descriptors come to an end, and the next call works", { skip }, async (t) => {
  const agent = await startAttacked(t);
  assert.equal(await attack(agent, { attack: "descriptors" }), "EMFILE");
  await isFine(agent);
});

test("it mounts, traces and unshares nothing", { skip }, async (t) => {
  const agent = await startAttacked(t);
  for (const script of ["mount -t tmpfs none /tmp", "unshare --user true", "unshare --net true"])
    assert.equal(await attack(agent, { attack: "shell", script }), "failed", script);
});

test("what it leaves running ends with it", { skip }, async (t) => {
  const agent = await startAttacked(t);
  assert.equal(await attack(agent, { attack: "lingers" }), "left something");
  assert.ok(commandLines().includes("sleep 2147"));
  await agent.stop();
  await eventually(async () => !commandLines().includes("sleep 2147"));
});

const commandLines = (): string => execFileSync("ps", ["ax", "-o", "args"], { encoding: "utf8" });
