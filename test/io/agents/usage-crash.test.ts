import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { AgentUsage, type AgentUsageQuery, type AgentUsageRow } from "#lib/contracts/usage.ts";
import type { AgentConfig } from "../../../agents/config.ts";
import { type AgentProcess, startAgentProcess } from "./support/agent-process.ts";
import { callerOf, endpointOf, eventually, undoLater } from "./support/agent-world.ts";

const CALLERS = 4;
const ALL: AgentUsageQuery = {
  fromMs: 0,
  toMs: 8_000_000_000_000_000,
  interval: "total",
  by: "version",
  limit: 10,
};

interface World {
  readonly start: (existing?: AgentConfig) => Promise<AgentProcess>;
  readonly ledger: () => Promise<{ readonly began: number; readonly handlerMs: number }>;
}

async function prepare(t: TestContext): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "usage-ledger-"));
  undoLater(t, () => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "ledger");
  await writeFile(file, "");
  const placed = {
    name: "ledger",
    manifest: { handler: "ledger.handler", timeoutMs: 60_000, environment: { LEDGER: file } },
  };
  return {
    start: (existing) => startAgentProcess(t, [placed], { launcherGraceMs: 500 }, existing),
    ledger: async () => {
      const lines = (await readFile(file, "utf8")).split("\n");
      const durations = lines
        .filter((line) => line.startsWith("ended "))
        .map((line) => line.slice(6));
      return {
        began: lines.filter((line) => line === "began").length,
        handlerMs: durations.reduce((sum, ms) => sum + Number(ms), 0),
      };
    },
  };
}

async function usedOf(t: TestContext, { config }: AgentProcess): Promise<AgentUsageRow> {
  const { urls } = await endpointOf(config);
  const path = `/internal/usage?query=${encodeURIComponent(JSON.stringify(ALL))}`;
  const answer = await callerOf(t, urls.internal ?? "").get(path);
  assert.equal(answer.status, 200, answer.text);
  const usage = Value.Parse(AgentUsage, answer.json());
  assert.ok(usage.isComplete);
  return usage.rows[0] ?? assert.fail("nothing was counted");
}

/** Until the agent is gone. */
async function callUntilKilled({ invoke }: AgentProcess): Promise<void> {
  try {
    for (;;) await invoke("ledger", { json: { ms: 5 } });
  } catch {
    // Its connection broke.
  }
}

async function kill({ child }: AgentProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

test("kill -9 under load: what was read before is there, nothing is counted that did not run, and nothing twice", async (t) => {
  const { start, ledger } = await prepare(t);
  let agent = await start();
  let billed = 0;
  for (let round = 1; round <= 3; round += 1) {
    const beganAtMs = performance.now();
    for (let call = 0; call < 10; call += 1)
      assert.equal((await agent.invoke("ledger", { json: { ms: 2 } })).status, 200);
    const callersMs = performance.now() - beganAtMs;
    const settled = await usedOf(t, agent);
    assert.equal(settled.invocations, billed + 10);
    if (round === 1) {
      const { handlerMs } = await ledger();
      assert.ok(settled.billedMs >= handlerMs, `${settled.billedMs} of ${handlerMs} ms`);
      assert.ok(settled.billedMs <= callersMs + settled.invocations);
      assert.equal(settled.coldStarts, 1);
      assert.equal(settled.egressBytes, 10 * '{"done":true}'.length);
      assert.equal(settled.megabyteMs, settled.billedMs * 128);
    }
    const before = (await ledger()).began;
    const loads = Array.from({ length: CALLERS }, () => callUntilKilled(agent));
    await eventually(async () => (await ledger()).began >= before + 40);
    await kill(agent);
    await Promise.all(loads);
    agent = await start(agent.config);
    const recovered = await usedOf(t, agent);
    const { began } = await ledger();
    t.diagnostic(`round ${round}: ${recovered.invocations} billed of ${began} executed`);
    assert.ok(recovered.invocations >= settled.invocations);
    assert.ok(recovered.invocations <= began);
    billed = recovered.invocations;
  }
});

test("of a call that runs long a crash loses no more than of others, and an orderly end loses nothing", async (t) => {
  const { start } = await prepare(t);
  let agent = await start();
  await agent.invoke("ledger");
  const first = await usedOf(t, agent);
  const running = agent.invoke("ledger", { json: { ms: 30_000 } });
  running.catch(() => undefined);
  let seen = first;
  await eventually(async () => {
    seen = await usedOf(t, agent);
    return seen.billedMs >= first.billedMs + 50;
  });
  assert.equal(seen.invocations, 1);
  await kill(agent);
  agent = await start(agent.config);
  const recovered = await usedOf(t, agent);
  assert.ok(recovered.billedMs >= seen.billedMs);
  assert.equal(recovered.invocations, 1);

  await agent.invoke("ledger");
  const exited = once(agent.child, "exit");
  agent.child.kill("SIGTERM");
  await exited;
  agent = await start(agent.config);
  assert.equal((await usedOf(t, agent)).invocations, 2);
});
