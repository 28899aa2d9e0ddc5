import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { AgentConfig } from "../../../agents/config.ts";
import { identifyProcess, isStillRunning, type ProcessIdentity } from "#lib/io/process-identity.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { AgentClient } from "../../../gateway/io/agent-client.ts";
import { openAgentClient } from "../../../gateway/io/open-agent-client.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import { startAgentProcess } from "../agents/support/agent-process.ts";
import { BOOT_TOKEN, eventually, invokeHeaders, undoLater } from "../agents/support/agent-world.ts";
import { processesMarked } from "../agents/support/marked-processes.ts";

/*
 * Invariant 9 and "nothing leaks", while agents, launchers and instances are killed at random under load, and instances are adopted.
 * `MERIDIAN_KILLS=1000` for the long run, `MERIDIAN_SANDBOX=auto` for one in sandboxes.
 */
const KILLS = Number(process.env["MERIDIAN_KILLS"] ?? process.env["MERIDIAN_FAULTS"] ?? 20);
const SANDBOX = process.env["MERIDIAN_SANDBOX"] === "auto" ? "auto" : "off";
const SEED = process.env["MERIDIAN_SEED"] ?? "agent kills";
const CALLERS = 6;
const RECOVERY_LIMIT_MS = 60_000;
const PAUSE_MAX_MS = 100;
const NAMES = ["once", "python"] as const;

const random = seededRandom(SEED);

test(`through ${KILLS} kills nothing starts twice, nothing said not to have started did, and nothing is left`, async (t) => {
  const ledger = await openLedger(t);
  const world = await startWorld(t, ledger.folder);
  let isOver = false;
  let answered = 0;
  const calls = Array.from({ length: CALLERS }, (_, number) =>
    callUntil(
      world.client,
      number,
      () => isOver,
      () => (answered += 1),
    ),
  );
  const killed = { agent: 0, launcher: 0, instance: 0 };
  try {
    for (let kills = 0; kills < KILLS; kills += 1) {
      await delay(random.between(0, PAUSE_MAX_MS));
      const victim = await world.killOne();
      killed[victim] += 1;
      // Whatever was killed, calls are answered again: those that were under way, and then some.
      const wanted = answered + 2 * CALLERS;
      await recovered(() => answered >= wanted);
    }
  } finally {
    isOver = true;
  }
  const said = (await Promise.all(calls)).flat();
  await world.stop();

  const starts = await ledger.starts();
  const wrong = said.flatMap(({ id, verdict }) => {
    const began = starts.get(id) ?? 0;
    if (began > 1) return [`${id} began ${began} times`];
    if (verdict === "not-started" && began > 0) return [`${id} began, and was said not to have`];
    return verdict === "answered" && began === 0 ? [`${id} was answered and never began`] : [];
  });
  assert.deepEqual(wrong, [], `seed ${SEED}`);
  const count = (wanted: Verdict) => said.filter(({ verdict }) => verdict === wanted).length;
  t.diagnostic(
    `${JSON.stringify(killed)}: ${count("answered")} answered, ${count("unknown")} may have run, ${count("not-started")} did not`,
  );
  assert.ok(count("answered") > 0);
  assert.deepEqual(await world.leftovers(), []);
});

/** Starts back off after failures, and the machine may be busy with other things. */
async function recovered(isSo: () => boolean): Promise<void> {
  for (const limit = AbortSignal.timeout(RECOVERY_LIMIT_MS); !isSo(); await delay(20))
    assert.ok(!limit.aborted, `no answers for ${RECOVERY_LIMIT_MS} ms, seed ${SEED}`);
}

type Verdict = "answered" | "not-started" | "unknown";

async function callUntil(
  client: AgentClient,
  number: number,
  isOver: () => boolean,
  onAnswer: () => void,
) {
  const said: { readonly id: string; readonly verdict: Verdict }[] = [];
  for (let index = 0; !isOver(); index += 1) {
    const id = `${number}-${index}`;
    const verdict = await call(client, random.pick(NAMES), id);
    said.push({ id, verdict });
    if (verdict === "answered") onAnswer();
    // While no agent is there, nobody has to be told so a thousand times.
    await delay(verdict === "not-started" ? 50 : 2);
  }
  return said;
}

async function call(client: AgentClient, name: string, id: string): Promise<Verdict> {
  const headers = invokeHeaders(name, { json: {}, requestId: id, deadlineMs: 15_000 });
  const request = {
    headers,
    body: Buffer.from(JSON.stringify({ id, ms: random.between(0, 40) })),
    deadlineAtMs: systemClock.nowMs() + 15_000,
    callerGone: new AbortController().signal,
    isIdempotent: false,
  };
  const outcome = await client.send(request, random.pick(["go", "slot"]));
  if (outcome.kind === "answered") {
    const { body } = outcome.answer;
    if ("resume" in body) body.resume();
    const { status, headers: said } = outcome.answer;
    if (said["meridian-executed"] === "false") return "not-started";
    // Of an instance that was killed it is said that the function failed, whether it had begun or not.
    return status === 200 && said["meridian-function-error"] === undefined ? "answered" : "unknown";
  }
  const isProof = outcome.kind === "failed" && NOT_STARTED.has(outcome.failure);
  return isProof || (outcome.kind === "out-of-time" && !outcome.wasSent)
    ? "not-started"
    : "unknown";
}

/** What a gateway takes for proof that the call may go elsewhere. */
const NOT_STARTED: ReadonlySet<string> = new Set(["not-sent", "not-begun"]);

async function openLedger(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "kills-"));
  undoLater(t, () => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "ledger"), "");
  return {
    folder,
    starts: async () => {
      const starts = new Map<string, number>();
      for (const id of (await readFile(join(folder, "ledger"), "utf8")).split("\n"))
        starts.set(id, (starts.get(id) ?? 0) + 1);
      return starts;
    },
  };
}

async function startWorld(t: TestContext, folder: string) {
  const manifest = { timeoutMs: 10_000, environment: { LEDGER: join(folder, "ledger") } };
  const placed = [
    { name: "once", manifest: { ...manifest, handler: "counted.handler" } },
    { name: "python", manifest: { ...manifest, handler: "counted.handler", concurrency: 3 } },
  ];
  const changes: Partial<AgentConfig> = {
    sandbox: SANDBOX,
    sharedFolders: [{ path: folder, functions: "demo/" }],
    internalPort: await freePort(),
  };
  let agent = await startAgentProcess(t, placed, changes);
  const { config } = agent;
  const client = openAgentClient(
    `http://127.0.0.1:${config.internalPort}`,
    BOOT_TOKEN,
    systemClock,
  );
  undoLater(t, client.close);
  const seen = new Map<number, ProcessIdentity>();
  const look = (): void => {
    for (const pid of agent.pids) {
      const identity = identifyProcess(pid);
      if (identity !== undefined) seen.set(pid, identity);
    }
  };

  const killAgent = async (): Promise<void> => {
    const exited = once(agent.child, "exit");
    agent.child.kill("SIGKILL");
    await exited;
    agent = await startAgentProcess(t, [], {}, config);
  };
  return {
    client,
    killOne: async (): Promise<"agent" | "launcher" | "instance"> => {
      look();
      const [launcher, ...instances] = agent.pids;
      const [first, ...others] = instances;
      if (launcher !== undefined && random.chance(0.2)) {
        signal(launcher);
        return "launcher";
      }
      if (first !== undefined && random.chance(0.6)) {
        signal(random.pick([first, ...others]));
        return "instance";
      }
      await killAgent();
      return "agent";
    },
    stop: async (): Promise<void> => {
      look();
      const exited = once(agent.child, "exit");
      agent.child.kill("SIGTERM");
      await exited;
    },
    leftovers: () => leftoversOf(config, seen.values().toArray()),
  };
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went by itself.
  }
}

/** Processes, zombies of ours, sockets and settings that outlived all of it. */
async function leftoversOf(
  config: AgentConfig,
  seen: readonly ProcessIdentity[],
): Promise<readonly string[]> {
  const launcherFolder = resolve(config.stateDirectory, "launcher");
  const mark = createHash("sha256").update(launcherFolder).digest("hex").slice(0, 32);
  // The kernel takes its time with what was killed last.
  await eventually(
    async () => !seen.some(isStillRunning) && (await processesMarked(mark)).length === 0,
  );
  const sockets = await readdir(join(config.runDirectory, `${config.zone}.agent`), {
    recursive: true,
  });
  const settings = (await readdir(launcherFolder)).filter((name) => name.endsWith(".json"));
  const groups = await groupsNamed(mark.slice(0, 12));
  return [...sockets.filter((name) => name !== "i"), ...settings, ...groups, ...(await zombies())];
}

async function groupsNamed(words: string): Promise<readonly string[]> {
  const names = await readdir("/sys/fs/cgroup", { recursive: true }).catch(() => []);
  return names.filter((name) => name.includes(words));
}

/** Of this process: what it started, and did not wait for. */
async function zombies(): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name));
  const stats = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/stat`, "latin1").catch(() => "")),
  );
  return stats.filter((stat) => stat.includes(`) Z ${process.pid} `));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
