import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findProgram } from "../../../agents/drivers/sandbox/find-program.ts";
import { startAgentProcess } from "./support/agent-process.ts";
import { endpointOf } from "./support/agent-world.ts";

/* Most machines run no service as root: this one is nobody, of Linux. */
const NOBODY = 65_534;
/** Four canaries one after the other, on a machine that is busy with other tests. */
const PROOF_LIMIT_MS = 60_000;
const skip = await obstacle();

async function obstacle(): Promise<string | false> {
  if (process.getuid?.() !== 0) return "only root can be another user: `sudo npm test`";
  const bwrap = await findProgram("bwrap");
  if (bwrap === undefined) return "bubblewrap is not installed: `sudo npm run engines` brings it";
  const user = { uid: NOBODY, gid: NOBODY };
  const trial = ["--unshare-user", "--ro-bind", "/", "/", process.execPath, "--version"];
  return promisify(execFile)(bwrap, trial, { ...user, cwd: "/" }).then(
    () => false,
    (error: Error) => `user namespaces, or this Node, are root's alone here: ${error.message}`,
  );
}

test(
  "an agent that is not root proves its level, and runs what asks for that",
  { skip },
  async (t) => {
    const attacks = { handler: "attacks.handler", timeoutMs: 20_000 };
    const placed = [
      { name: "guarded", manifest: { ...attacks, minIsolation: "L2" as const } },
      { name: "snake", manifest: { runtime: "python" as const, handler: "snake.echo" } },
    ];
    const agent = await startAgentProcess(t, placed, { sandbox: "auto" }, undefined, NOBODY);
    const { urls } = await endpointOf(agent.config);
    const limit = AbortSignal.timeout(PROOF_LIMIT_MS);
    for (let level = -1; level < 2; level = await provedLevel(urls.admin))
      assert.ok(!limit.aborted, `it has proved L${level}`);
    const attack = async (json: object): Promise<unknown> => {
      const answer = await agent.invoke("guarded", { json });
      assert.equal(answer.status, 200, answer.text);
      return answer.json()["seen"];
    };
    const path = `${agent.config.stateDirectory}/route-table.json`;
    assert.equal(await attack({ attack: "read", path }), "ENOENT");
    assert.equal(await attack({ attack: "signal", pid: agent.child.pid }), "ESRCH");
    assert.ok(Number(await attack({ attack: "processes" })) <= 4);
    assert.equal((await agent.invoke("snake", { json: { a: 1 } })).status, 200);
  },
);

async function provedLevel(adminUrl: string): Promise<number> {
  await delay(100);
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const [, level] = /^meridian_isolation_level\{[^}]*\} (-?\d+)$/m.exec(metrics) ?? [];
  return Number(level);
}
