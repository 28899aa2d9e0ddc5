import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { ANSWER_HEADERS, INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { codeFileName } from "#lib/ports/code-store.ts";
import { bundleFunction } from "../../cli/bundle/bundle-function.ts";
import type { AgentClient } from "../../gateway/io/agent-client.ts";
import type { AgentAnswer } from "../../gateway/ports.ts";
import { openAgentClient } from "../../gateway/io/open-agent-client.ts";
import { makeBenchFolder } from "../gateway/bench-folder.ts";
import { HOME, LIMITS, tenantName, ZONES } from "../gateway/route-entries.ts";
import { runProgram } from "../gateway/run-program.ts";
import { processTree } from "../processes.ts";
import { cpuMs } from "./process-cost.ts";

const TENANT = tenantName(0);
/** Nothing runs any more: less than this much processor time in such a while. */
const QUIET_CPU_MS = 3;
const QUIET_WHILE_MS = 120;
const QUIET_WAIT_MS = 20_000;
/** Soon after its start an agent proves its isolation, with instances of its own. */
const SETTLING_MS = 2_500;
const CALL_LIMIT_MS = 30_000;
const EVENT = Buffer.from(JSON.stringify({ name: "bench" }));
const NOBODY_LEAVES = new AbortController().signal;

export const WORKLOADS = {
  hello: { folder: "hello/function", runtime: "node" },
  heavy: { folder: "heavy/function", runtime: "node" },
  python: { folder: "python/function", runtime: "python" },
} as const;
export type Workload = keyof typeof WORKLOADS;

export interface BenchCall {
  readonly wallMs: number;
  readonly isCold: boolean;
  /** As the answer says them, `queue;dur=1, …`; empty where it was warm. */
  readonly phases: string;
}

/** An agent by itself, as `meridian up` runs it, and so many functions of each workload that none needs to be called twice. */
export interface BenchAgent {
  readonly pid: number;
  readonly call: (workload: Workload, index: number) => Promise<BenchCall>;
  /** Processes of instances, pooled ones among them: all that the agent's launcher runs. */
  readonly instancePids: () => readonly number[];
  readonly launcherPid: () => number;
  /** Resolves once agent, launcher and instances have nothing to do. */
  readonly whenQuiet: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface BenchAgentOptions {
  readonly workloads: readonly Workload[];
  readonly functionsOfEach: number;
  /** Of the manifests. */
  readonly manifest?: Partial<FunctionManifest>;
  /** Of the agent. */
  readonly settings?: object;
}

export async function openAgent(options: BenchAgentOptions): Promise<BenchAgent> {
  await using opened = new AsyncDisposableStack();
  const folder = await makeBenchFolder();
  opened.defer(folder.remove);
  const codeDirectory = join(folder.path, "code");
  await mkdir(codeDirectory);
  const entries: RouteEntry[] = [{ kind: "tenant", tenant: TENANT, limits: LIMITS }];
  for (const workload of options.workloads)
    entries.push(...(await functionsOf(workload, codeDirectory, options)));
  const stateDirectory = await folder.stateWith("agent", entries);
  const { runDirectory, bootTokenFile, bootToken } = folder;
  const program = await runProgram({
    program: "agent",
    zone: HOME.name,
    runDirectory,
    stateDirectory,
    config: {
      zone: HOME.name,
      zones: ZONES,
      runDirectory,
      bootTokenFile,
      stateDirectory,
      codeDirectory,
      ...options.settings,
    },
  });
  opened.defer(program.stop);
  const client = openAgentClient(program.endpoint.urls.internal ?? "", bootToken, systemClock);
  opened.defer(client.close);
  const tree = () => processTree(program.pid);
  await delay(SETTLING_MS);
  const running = opened.move();
  return {
    pid: program.pid,
    call: (workload, index) => callFunction(client, bootToken, `${workload}-${index}`),
    // The agent first, then the launcher, its only child.
    instancePids: () => tree().slice(2),
    launcherPid: () => tree()[1] ?? 0,
    whenQuiet: () => whenQuiet(tree),
    stop: () => running.disposeAsync(),
  };
}

async function functionsOf(
  workload: Workload,
  codeDirectory: string,
  { functionsOfEach, manifest: changes }: BenchAgentOptions,
): Promise<RouteEntry[]> {
  const { folder, runtime } = WORKLOADS[workload];
  const path = join(import.meta.dirname, folder);
  const { zip, digest, manifest } = await bundleFunction(
    path,
    { name: workload, runtime },
    { mayBundle: true },
  );
  await writeFile(join(codeDirectory, codeFileName(digest)), zip);
  return Array.from({ length: functionsOfEach }, (_, index): RouteEntry => {
    const name = `${workload}-${index}`;
    const whole: unknown = Value.Default(FunctionManifest, { ...manifest, ...changes, name });
    return {
      kind: "function",
      tenant: TENANT,
      functionName: name,
      aliases: { live: 1 },
      versions: [
        {
          version: 1,
          codeDigest: digest,
          codeBytes: zip.length,
          manifest: Value.Parse(FunctionManifest, whole),
        },
      ],
    };
  });
}

/** As a gateway calls it, over its link. */
async function callFunction(
  client: AgentClient,
  bootToken: string,
  name: string,
): Promise<BenchCall> {
  const beganAtMs = performance.now();
  const outcome = await client.send(
    {
      headers: {
        [INVOCATION_HEADERS.bootToken]: bootToken,
        [INVOCATION_HEADERS.tenant]: TENANT,
        [INVOCATION_HEADERS.functionName]: name,
        [INVOCATION_HEADERS.version]: "1",
        [INVOCATION_HEADERS.requestId]: `bench-${name}`,
        [INVOCATION_HEADERS.deadlineMs]: String(CALL_LIMIT_MS),
        [INVOCATION_HEADERS.attempt]: "1",
        [INVOCATION_HEADERS.door]: "invoke",
        "content-type": "application/json",
      },
      body: EVENT,
      deadlineAtMs: beganAtMs + CALL_LIMIT_MS,
      callerGone: NOBODY_LEAVES,
      isIdempotent: false,
    },
    "slot",
  );
  const wallMs = performance.now() - beganAtMs;
  if (outcome.kind !== "answered") throw new Error(`${name} was not answered: ${outcome.kind}`);
  const { status, headers, body } = outcome.answer;
  if (status !== 200 || headers[ANSWER_HEADERS.functionError] !== undefined)
    throw new Error(`${name} answered ${status}: ${String(await wholeOf(body))}`);
  return {
    wallMs,
    isCold: headers[ANSWER_HEADERS.coldStart] === "true",
    phases: String(headers[ANSWER_HEADERS.coldStartPhases] ?? ""),
  };
}

const wholeOf = (body: AgentAnswer["body"]): Promise<Buffer> =>
  body instanceof Uint8Array ? Promise.resolve(Buffer.from(body)) : buffer(body);

async function whenQuiet(tree: () => readonly number[]): Promise<void> {
  const used = (): number => tree().reduce((sum, pid) => sum + cpuMs(pid), 0);
  const untilMs = performance.now() + QUIET_WAIT_MS;
  let before = used();
  for (;;) {
    await delay(QUIET_WHILE_MS);
    const now = used();
    if (Math.abs(now - before) < QUIET_CPU_MS) return;
    if (performance.now() > untilMs) throw new Error("the agent does not come to rest");
    before = now;
  }
}
