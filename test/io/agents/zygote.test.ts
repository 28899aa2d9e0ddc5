import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import type {
  CallEnd,
  Instance,
  InstanceDriver,
  InstanceSpec,
} from "../../../agents/drivers/driver.ts";
import { createProcessDriver } from "../../../agents/drivers/process.ts";
import { processTree } from "../../../bench/processes.ts";
import { hasPython } from "../../support/has-python.ts";
import { sandboxObstacle } from "./support/sandbox-here.ts";

const PROOF_LIMIT_MS = 120_000;
const FUNCTION = join(import.meta.dirname, "functions/forked.py");
const isRoot = process.getuid?.() === 0;
const skip =
  isRoot && hasPython()
    ? await sandboxObstacle()
    : "it needs root and python3: `sudo npm test -- zygote`";

let folder = "";
let driver: InstanceDriver | undefined;
let pids: readonly number[] = [];

before(async () => {
  if (skip !== false) return;
  folder = await mkdtemp(join(tmpdir(), "zygote-"));
  await chmod(folder, 0o755);
  driver = await createProcessDriver({
    stateDirectory: join(folder, "state"),
    socketDirectory: folder,
    launcherGraceMs: 2_000,
    pythonForks: "auto",
    log: pino({ level: "silent" }),
    onPids: (newest) => (pids = newest),
  });
});
after(async () => {
  await driver?.close();
  if (folder !== "") await rm(folder, { recursive: true, force: true });
});

/** Machines that are busy take their time to prove it. */
async function untilForked(): Promise<void> {
  const deadlineMs = performance.now() + PROOF_LIMIT_MS;
  const isProved = () => driver?.isolation.get()?.notes.some((note) => /are forked/.test(note));
  while (isProved() !== true || zygotes().length === 0) {
    assert.ok(performance.now() < deadlineMs, JSON.stringify(driver?.isolation.get()));
    await delay(50);
  }
}

const zygotes = (): number[] =>
  processTree(pids[0] ?? 0).filter((pid) => parentOf(pid) === pids[0] && isZygote(pid));
const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/status`))?.[1]);
const isZygote = (pid: number): boolean =>
  readIfThere(`/proc/${pid}/cmdline`).includes("zygote.py");

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function startOne(changes: Partial<InstanceSpec> = {}, files: object = {}) {
  const codeDirectory = await mkdtemp(join(folder, "code-"));
  await chmod(codeDirectory, 0o755);
  await cp(FUNCTION, join(codeDirectory, "forked.py"));
  for (const [name, text] of Object.entries(files))
    await writeFile(join(codeDirectory, name), text);
  const spec: InstanceSpec = {
    tenant: "demo",
    functionName: "forked",
    version: 1,
    runtime: "python",
    handler: "forked.handler",
    codeDirectory,
    memoryMegabytes: 128,
    concurrency: 1,
    environment: {},
    initTimeoutMs: 30_000,
    ...changes,
  };
  const instance = driver?.start(spec, () => undefined);
  assert.ok(instance !== undefined);
  const start = await instance.started;
  assert.equal(start.kind, "ready", JSON.stringify(start));
  return { instance, codeDirectory, pid: pids.at(-1) ?? 0 };
}

function ask(instance: Instance, event: object = {}): Promise<CallEnd> {
  const header = {
    requestId: "r",
    deadlineMs: 20_000,
    tenant: "demo",
    functionName: "forked",
    functionVersion: "1",
    memoryMegabytes: 128,
  };
  return instance.invoke(header, { kind: "event", json: Buffer.from(JSON.stringify(event)) })
    .outcome;
}

async function tell(instance: Instance, event: object = {}): Promise<Record<string, unknown>> {
  const end = await ask(instance, event);
  assert.equal(end.kind, "result", JSON.stringify(end));
  return end.kind === "result" ? JSON.parse(String(end.json)) : {};
}

/** Whether the word is in memory that the process may have written to, as root sees it. */
function remembers(pid: number, word: string): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    return readFileSync(`/proc/${pid}/maps`, "utf8")
      .split("\n")
      .some((line) => {
        const [, begin = "0", end = "0", access = ""] = /^(\w+)-(\w+) (\S+)/.exec(line) ?? [];
        if (!access.startsWith("rw")) return false;
        const [from, to] = [Number.parseInt(begin, 16), Number.parseInt(end, 16)];
        const held = Buffer.alloc(to - from);
        return readSync(memory, held, 0, held.length, from) > 0 && held.includes(word);
      });
  } finally {
    closeSync(memory);
  }
}

test(
  "the canary proves instances that are forked, and functions have them then",
  { skip },
  async () => {
    await untilForked();
    assert.equal(driver?.isolation.get()?.level, "L3");
    const { instance, pid } = await startOne();
    assert.equal(parentOf(pid), zygotes()[0]);
    const seen = await tell(instance);
    assert.equal(seen["pid"], 2);
    assert.ok(!JSON.stringify(seen["root"]).includes("empty"));
    const variables = JSON.stringify(seen["variables"]);
    assert.ok(variables.includes("AWS_LAMBDA_FUNCTION_NAME") && !variables.includes("MERIDIAN"));
    // Its three of one socket, the agent's, and the folder that it lists.
    assert.ok(Number(seen["descriptors"]) <= 5, JSON.stringify(seen));
    instance.kill();
    await instance.ended;
  },
);

test("nothing that one of them was told is in the memory of the next", { skip }, async () => {
  await untilForked();
  const word = "told-to-the-first-alone";
  const first = await startOne({ environment: { SECRET: word } });
  const second = await startOne();
  for (const { pid } of [first, second]) assert.equal(parentOf(pid), zygotes()[0]);
  assert.ok(remembers(first.pid, word) && remembers(first.pid, first.codeDirectory));
  for (const pid of [second.pid, zygotes()[0] ?? 0])
    for (const told of [word, first.codeDirectory]) assert.ok(!remembers(pid, told), told);
  const [one, other] = await Promise.all([tell(first.instance), tell(second.instance)]);
  assert.notEqual(one["random"], other["random"]);
  for (const { instance } of [first, second]) instance.kill();
  await Promise.all([first.instance.ended, second.instance.ended]);
});

test("a function's own module comes before one that was loaded for all", { skip }, async () => {
  await untilForked();
  const own = await startOne({}, { "statistics.py": "whose = 'its own'\n" });
  const others = await startOne();
  assert.equal((await tell(own.instance))["statistics"], "its own");
  assert.equal((await tell(others.instance))["statistics"], "the standard library's");
  own.instance.kill();
  others.instance.kill();
  await Promise.all([own.instance.ended, others.instance.ended]);
});

test("without a network it has a loopback of its own", { skip }, async () => {
  await untilForked();
  const { instance, pid } = await startOne({ network: "none" });
  assert.equal(parentOf(pid), zygotes()[0]);
  const seen = await tell(instance, { act: "network" });
  assert.deepEqual(seen, { interfaces: ["lo"], loopback: true });
  instance.kill();
  await instance.ended;
});

test("it ends itself and nobody else, and what it leaves is reaped", { skip }, async () => {
  await untilForked();
  const { instance } = await startOne();
  assert.deepEqual(await tell(instance, { act: "orphan" }), { zombies: 0 });
  assert.equal((await tell(instance, { act: "signal-first" }))["pid"], 2);
  const end = await ask(instance, { act: "kill" });
  assert.deepEqual(end, { kind: "ended", end: { kind: "signal", signal: "SIGKILL" } });
  await instance.ended;
  await untilForked();
  const left = (): number => processTree(zygotes()[0] ?? 0).length - 1;
  const deadlineMs = performance.now() + 10_000;
  while (left() > 0) {
    assert.ok(performance.now() < deadlineMs, `${left()} are left`);
    await delay(20);
  }
});

test(
  "a zygote that is killed takes its instances along; the next start does without it, until there is another",
  { skip },
  async () => {
    await untilForked();
    const [killed = 0] = zygotes();
    const { instance } = await startOne();
    process.kill(killed, "SIGKILL");
    const end = await instance.ended;
    assert.deepEqual(end, { kind: "signal", signal: "SIGKILL" });
    const ordinary = await startOne();
    assert.equal((await tell(ordinary.instance))["statistics"], "the standard library's");
    ordinary.instance.kill();
    await ordinary.instance.ended;
    await untilForked();
    assert.notEqual(zygotes()[0], killed);
  },
);
