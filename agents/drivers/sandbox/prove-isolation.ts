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
import { type Attempt, judgeIsolation, weakerChecks } from "../../core/sandbox/judge-isolation.ts";
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

/** A second way in which instances of Python start. */
export interface ForksToProve {
  /** Undefined: it is not there at the moment. */
  readonly start: (spec: InstanceSpec) => Instance | undefined;
  /** Why it does not keep instances apart as well as the ordinary one; undefined where it does. */
  readonly judge: (obstacle: string | undefined) => void;
  /** What is to be known of it beside, for operators. */
  readonly notes: () => readonly string[];
}

export interface Proving {
  /** Starts an instance just like a function's. */
  readonly start: (spec: InstanceSpec) => Instance;
  /** Absent: there is no such way. */
  readonly forks?: ForksToProve | undefined;
  readonly hasPython: () => Promise<boolean>;
  /** Where the agent keeps files of its own. */
  readonly stateDirectory: string;
  /** What is known beside what the canary finds. */
  readonly notes: () => readonly string[];
  readonly wallMs: () => number;
}

/** Starts canaries, has them try what instances must not be able to do, and judges by what came of it. Rejects where they cannot be asked. */
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
    const forked = proving.forks?.start(specOf("python"));
    if (forked !== undefined) {
      started.push(forked);
      proving.forks?.judge(await tryForked(forked, scene, attempts));
    }
    return judgeIsolation(attempts, proving.notes(), proving.wallMs());
  } finally {
    for (const instance of started) instance.kill();
  }
}

/** In what it is kept apart less well than those that were asked before it, each of which counts alone where it is worse. */
async function tryForked(
  forked: Instance,
  scene: object,
  ordinary: readonly Attempt[],
): Promise<string | undefined> {
  try {
    const attempts = [
      ...(await call(forked, scene)),
      ...(await call(forked, { act: "fork" })),
      await exceedMemory(forked),
    ];
    const weaker = weakerChecks(ordinary, attempts);
    return weaker.length === 0 ? undefined : weaker.join("; ");
  } catch (error) {
    return String(error);
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

/** A file of the agent's, one that a neighbour will have, a port and an abstract socket of this machine, as they would be worth stealing. */
async function setScene(stateDirectory: string) {
  const name = `canary-${randomBytes(6).toString("hex")}`;
  const agentFile = join(stateDirectory, name);
  await writeFile(agentFile, "the agent's", { mode: 0o600 });
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  const abstract = createServer((socket) => socket.destroy()).listen(`\0meridian-${name}`);
  await Promise.all([once(server, "listening"), once(abstract, "listening")]);
  const address = server.address();
  const neighbourFile = `/tmp/meridian-${name}`;
  return {
    agentPid: process.pid,
    agentUser: process.getuid?.() ?? 0,
    agentFile,
    neighbourFile,
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    abstractName: `meridian-${name}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      abstract.close();
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
