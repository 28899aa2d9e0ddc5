import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { httpDoorway } from "../../../agents/drivers/http-door.ts";
import { eventually } from "./support/agent-world.ts";

/** A door whose instance is any process the test names. */
async function openDoor(t: TestContext) {
  const told: string[] = [];
  const door = httpDoorway().open({
    id: "i-1",
    spec: {
      tenant: "demo",
      functionName: "server",
      version: 1,
      runtime: "node",
      interface: "http",
      handler: "server.mjs",
      codeDirectory: "/",
      memoryMegabytes: 128,
      concurrency: 1,
      environment: {},
      initTimeoutMs: 1_000,
    },
    onReady: () => told.push("ready"),
    onInitError: () => told.push("init error"),
    onRefused: (reason) => told.push(`refused: ${reason}`),
    onLog: () => undefined,
    onHungUp: () => undefined,
  });
  t.after(() => door.close({ kind: "lost" }));
  return { door, told, port: Number((await door.settings).environment["PORT"]) };
}

function run(t: TestContext, program: string, ...programArguments: string[]): ChildProcess {
  // With a group of its own, so that what it starts ends with it.
  const child = spawn(program, programArguments, { stdio: "ignore", detached: true });
  t.after(() => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"));
  return child;
}

test("a server is ready when it or what it started listens on its port", async (t) => {
  const { door, told, port } = await openDoor(t);
  const listen = `require("net").createServer().listen(${port}, "127.0.0.1")`;
  const shell = run(t, "sh", "-c", `"${process.execPath}" -e '${listen}' & wait`);
  door.onProcess(shell.pid ?? 0);
  await eventually(() => told.length > 0);
  assert.deepEqual(told, ["ready"]);
});

for (const address of ["127.0.0.1", "0.0.0.0"])
  test(`a port that another program took first, on ${address}, is given no call`, async (t) => {
    const { door, told, port } = await openDoor(t);
    const squatter = createServer().listen(port, address);
    await once(squatter, "listening");
    t.after(() => squatter.close());
    door.onProcess(run(t, "sleep", "60").pid ?? 0);
    await eventually(() => told.length > 0);
    assert.match(told.join(), new RegExp(`^refused: another program took the port ${port} `));
  });
