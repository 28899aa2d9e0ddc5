import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { Runtime } from "#lib/contracts/function-manifest.ts";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import { parseJson } from "#lib/frames.ts";
import { type Attempt, judgeIsolation } from "../../core/sandbox/judge-isolation.ts";
import type { CallEnd, Instance, InstanceSpec } from "../driver.ts";

const CANARY = join(import.meta.dirname, "canary");
const MEMORY_MEGABYTES = 64;
/** Beyond what the runtime is given on top, by as much again. */
const HELD_MEGABYTES = 256;
const START_LIMIT_MS = 30_000;
const CALL_LIMIT_MS = 15_000;

const Attempts = Type.Array(
  Type.Object({ name: Type.String(), holds: Type.Boolean(), evidence: Type.String() }),
);

export interface Proving {
  /** Starts an instance just like a function's. */
  readonly start: (spec: InstanceSpec) => Instance;
  readonly hasPython: () => Promise<boolean>;
  /** Where the agent keeps files of its own. */
  readonly stateDirectory: string;
  /** What is known beside what the canary finds. */
  readonly notes: () => readonly string[];
  readonly wallMs: () => number;
}

/** Starts canaries, has them try what instances must not be able to do, and judges by what came of it. Never rejects. */
export async function proveIsolation(proving: Proving): Promise<IsolationReport> {
  const { start } = proving;
  const started: Instance[] = [];
  const canary = (runtime: Runtime): Instance => {
    const instance = start(specOf(runtime));
    started.push(instance);
    return instance;
  };
  try {
    await using scene = await setScene(proving.stateDirectory);
    const [neighbour, node] = [canary("node"), canary("node")];
    const python = (await proving.hasPython()) ? canary("python") : undefined;
    await call(neighbour, { act: "leave", neighbourFile: scene.neighbourFile });
    const attempts = await call(node, scene);
    if (python !== undefined) attempts.push(...(await call(python, scene)));
    attempts.push(...(await call(node, { act: "fork" })));
    attempts.push(await exceedMemory(neighbour));
    return judgeIsolation(attempts, proving.notes(), proving.wallMs());
  } catch (error) {
    const note = `The canary could not be asked: ${String(error)}`;
    return judgeIsolation([], [note, ...proving.notes()], proving.wallMs());
  } finally {
    for (const instance of started) instance.kill();
  }
}

const specOf = (runtime: Runtime): InstanceSpec => ({
  tenant: "meridian",
  functionName: "canary",
  version: 1,
  runtime,
  handler: "canary.handler",
  codeDirectory: CANARY,
  memoryMegabytes: MEMORY_MEGABYTES,
  concurrency: 1,
  environment: {},
  initTimeoutMs: START_LIMIT_MS,
});

/** A file of the agent's, one that a neighbour will have, and a port of this machine, as they would be worth stealing. */
async function setScene(stateDirectory: string) {
  const name = `canary-${randomBytes(6).toString("hex")}`;
  const agentFile = join(stateDirectory, name);
  await writeFile(agentFile, "the agent's", { mode: 0o600 });
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const neighbourFile = `/tmp/meridian-${name}`;
  return {
    agentPid: process.pid,
    agentUser: process.getuid?.() ?? 0,
    agentFile,
    neighbourFile,
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await rm(agentFile, { force: true });
      // There only where instances share the machine's own.
      await rm(neighbourFile, { force: true });
    },
  };
}

async function call(instance: Instance, event: object): Promise<Attempt[]> {
  const end = await ask(instance, event);
  if (end.kind !== "result") throw new Error(`it ended with ${JSON.stringify(end).slice(0, 200)}`);
  return Value.Parse(Attempts, parseJson(end.json));
}

/** The instance is gone afterwards, as it should be. */
async function exceedMemory(instance: Instance): Promise<Attempt> {
  const name = "exceed-memory";
  const end = await ask(instance, { act: name, megabytes: HELD_MEGABYTES });
  if (end.kind === "result") {
    const evidence = `an instance of ${MEMORY_MEGABYTES} MB held ${HELD_MEGABYTES} MB`;
    return { name, holds: false, evidence };
  }
  const how = end.kind === "ended" ? end.end.kind : end.kind;
  return { name, holds: how === "out-of-memory", evidence: `it ended: ${how}` };
}

async function ask(instance: Instance, event: object): Promise<CallEnd> {
  const started = await instance.started;
  if (started.kind !== "ready") throw new Error(JSON.stringify(started).slice(0, 200));
  const asked = instance.invoke(
    {
      requestId: "canary",
      deadlineMs: CALL_LIMIT_MS,
      tenant: "meridian",
      functionName: "canary",
      functionVersion: "1",
      memoryMegabytes: MEMORY_MEGABYTES,
    },
    { kind: "event", json: Buffer.from(JSON.stringify(event)) },
  );
  const limit = setTimeout(instance.kill, CALL_LIMIT_MS);
  const end = await asked.outcome;
  clearTimeout(limit);
  return end;
}
