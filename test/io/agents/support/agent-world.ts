import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { Agent, request } from "undici";
import { Value } from "typebox/value";
import { ZipFile } from "yazl";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { ANSWER_HEADERS, INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { tableFile } from "#lib/io/table-file.ts";
import { encodeEntry, tableDigest } from "#lib/table-digest.ts";
import { startAgent } from "../../../../agents/agent.ts";
import type { AgentConfig } from "../../../../agents/config.ts";
import { createProcessDriver } from "../../../../agents/drivers/process.ts";

const FUNCTIONS = join(import.meta.dirname, "../functions");
export const BOOT_TOKEN = "boot-token";

const ZONE: Zone = {
  name: "eu-west",
  region: "eu-west",
  jurisdiction: "eu",
  clusterId: "eu-west-1",
  latitudeDegrees: 53.3,
  longitudeDegrees: -6.2,
};

const undoings = new WeakMap<TestContext, (() => unknown)[]>();

/** Like `t.after`, but the last thing made is the first undone: an agent stops before its folder goes. */
export function undoLater(t: TestContext, undo: () => unknown): void {
  const known = undoings.get(t);
  if (known !== undefined) {
    known.push(undo);
    return;
  }
  const undos = [undo];
  undoings.set(t, undos);
  t.after(async () => {
    for (const next of undos.toReversed()) await next();
  });
}

export interface Placed {
  readonly name: string;
  readonly manifest: Partial<FunctionManifest>;
}

/** A folder with a code store, a boot token and a route table on disk, as an agent finds them when no federator is there. */
export async function prepareZone(t: TestContext, placed: readonly Placed[]): Promise<AgentConfig> {
  const directory = await mkdtemp(join(tmpdir(), "agent-"));
  undoLater(t, () => rm(directory, { recursive: true, force: true }));
  const config: AgentConfig = {
    zone: ZONE.name,
    zones: [ZONE],
    runDirectory: join(directory, "run"),
    bootTokenFile: join(directory, "boot-token"),
    stateDirectory: join(directory, "agent"),
    codeDirectory: join(directory, "code"),
    discovery: { kind: "run-directory" },
    // Tests tell instances apart by the numbers of their processes, and share files with them; in a sandbox all are number 2 and see none.
    sandbox: "off",
    logLevel: "silent",
    idleMs: 60_000,
    extraIdleMs: 10_000,
    instancesMax: 200,
    startsMax: 8,
    queueLengthMax: 1_000,
    internalPort: 0,
    adminPort: 0,
    initTimeoutMs: 10_000,
    drainMs: 10_000,
    farewellMs: 1,
    launcherGraceMs: 10_000,
    codeCacheBytesMax: 100 * 1024 * 1024,
    functionLogBytesMax: 10 * 1024 * 1024,
    functionLogAgeMaxMs: 86_400_000,
    usageBytesMax: 16 * 1024 * 1024,
    replayWindowMs: 86_400_000,
    replayKeysMax: 1_000,
    replayBytesMax: 10 * 1024 * 1024,
    sdkReplayWindowMs: 900_000,
    sdkReplayKeysMax: 1_000,
    sdkReplayBytesMax: 10 * 1024 * 1024,
  };
  await mkdir(config.codeDirectory);
  await mkdir(config.stateDirectory);
  await mkdir(config.runDirectory);
  await writeFile(config.bootTokenFile, `${BOOT_TOKEN}\n`);
  await placeFunctions(config, placed);
  return config;
}

/** Only while no agent runs: it is its table on disk that is written. */
export async function placeFunctions(
  config: AgentConfig,
  placed: readonly Placed[],
): Promise<void> {
  const archive = await zipFolder(FUNCTIONS);
  const codeBytes = archive.length;
  const codeDigest = `sha256:${createHash("sha256").update(archive).digest("hex")}`;
  await writeFile(join(config.codeDirectory, `${codeDigest}.zip`), archive);
  const entries = placed.map(({ name, manifest }): RouteEntry => ({
    kind: "function",
    tenant: "demo",
    functionName: name.toLowerCase(),
    aliases: { live: 1 },
    versions: [
      {
        version: 1,
        codeDigest,
        codeBytes,
        manifest: Value.Parse(
          FunctionManifest,
          Value.Default(FunctionManifest, {
            name: name.toLowerCase(),
            handler: `node.${name}`,
            ...manifest,
          }),
        ),
      },
    ],
  }));
  const position = { incarnation: "one", revision: 1 };
  await tableFile(join(config.stateDirectory, "route-table.json"), pino({ level: "silent" })).save(
    { position, digest: tableDigest(entries) },
    entries.map(encodeEntry),
  );
}

async function zipFolder(folder: string): Promise<Buffer> {
  const zip = new ZipFile();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      zip.addBuffer(await readFile(path), path.slice(folder.length + 1), {
        mtime: new Date(0),
        mode: (await stat(path)).mode,
      });
    }
  zip.end();
  return buffer(zip.outputStream);
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
  readonly isExecuted: boolean;
}

export interface OpenAnswer extends Pick<Answer, "status" | "headers"> {
  readonly body: Readable;
  readonly trailers: () => Readonly<Record<string, string>>;
}

export interface Caller {
  readonly invoke: (name: string, options?: InvokeOptions) => Promise<Answer>;
  /** The answer as soon as it begins. */
  readonly open: (name: string, options?: InvokeOptions) => Promise<OpenAnswer>;
  readonly get: (path: string, token?: string) => Promise<Answer>;
}

export interface InvokeOptions {
  readonly json?: unknown;
  readonly body?: string | Buffer | Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly requestId?: string;
  readonly deadlineMs?: number;
  readonly version?: number;
  readonly http?: { readonly method: string; readonly path: string; readonly rawQuery: string };
  readonly signal?: AbortSignal;
}

/** Calls an agent as a gateway does. */
export function callerOf(t: TestContext, url: string): Caller {
  const dispatcher = new Agent({ connections: 256 });
  undoLater(t, () => dispatcher.destroy());
  const send = (name: string, options: InvokeOptions) =>
    request(`${url}/invoke`, {
      dispatcher,
      method: "POST",
      headers: invokeHeaders(name, options),
      body: options.json === undefined ? (options.body ?? null) : JSON.stringify(options.json),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  return {
    invoke: async (name, options = {}) => read(await send(name, options)),
    open: async (name, options = {}) => {
      const { statusCode: status, headers, body, trailers } = await send(name, options);
      return { status, headers, body, trailers: () => trailers };
    },
    get: async (path, token = BOOT_TOKEN) =>
      read(
        await request(`${url}${path}`, {
          dispatcher,
          headers: { [INVOCATION_HEADERS.bootToken]: token },
        }),
      ),
  };
}

async function read(response: Awaited<ReturnType<typeof request>>): Promise<Answer> {
  const text = await response.body.text();
  return {
    status: response.statusCode,
    headers: response.headers,
    text,
    json: () => JSON.parse(text),
    isExecuted: response.headers[ANSWER_HEADERS.executed] === "true",
  };
}

export function invokeHeaders(name: string, options: InvokeOptions): Record<string, string> {
  const { http } = options;
  const parts = http && {
    ...http,
    headers: { host: "demo.example", "user-agent": "test" },
    cookies: ["c=3"],
    sourceIp: "192.0.2.1",
    domainName: "demo.example",
  };
  return {
    [INVOCATION_HEADERS.bootToken]: BOOT_TOKEN,
    [INVOCATION_HEADERS.tenant]: "demo",
    [INVOCATION_HEADERS.functionName]: name.toLowerCase(),
    [INVOCATION_HEADERS.version]: String(options.version ?? 1),
    [INVOCATION_HEADERS.requestId]: options.requestId ?? "r-1",
    [INVOCATION_HEADERS.deadlineMs]: String(options.deadlineMs ?? 20_000),
    [INVOCATION_HEADERS.attempt]: "1",
    [INVOCATION_HEADERS.door]: http === undefined ? "invoke" : "http",
    ...(parts === undefined
      ? {}
      : { [INVOCATION_HEADERS.httpRequest]: encodeURIComponent(JSON.stringify(parts)) }),
    ...(options.json === undefined ? {} : { "content-type": "application/json" }),
    ...options.headers,
  };
}

export interface RunningAgent extends Caller {
  readonly config: AgentConfig;
  readonly adminUrl: string;
  readonly pids: () => readonly number[];
  readonly stop: () => Promise<void>;
}

/** An agent of this process with real instances. */
export async function startAgentHere(
  t: TestContext,
  placed: readonly Placed[],
  changes: Partial<AgentConfig> = {},
): Promise<RunningAgent> {
  const config: AgentConfig = { ...(await prepareZone(t, placed)), ...changes };
  const log = pino({ level: "silent" });
  let pids: readonly number[] = [];
  const driver = await createProcessDriver({
    stateDirectory: join(config.stateDirectory, "launcher"),
    socketDirectory: config.runDirectory,
    launcherGraceMs: config.launcherGraceMs,
    sandbox: config.sandbox,
    sharedFolders: config.sharedFolders,
    log,
    onPids: (newest) => (pids = newest),
  });
  const client = internalClient(BOOT_TOKEN);
  const discovery = runDirectoryDiscovery(config.runDirectory);
  const ports = { client, discovery, clock: systemClock, random: systemRandom };
  const agent = await startAgent(config, { ...ports, driver, bootToken: BOOT_TOKEN }, log);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await agent.stop();
    await driver.close();
    await client.close();
  };
  undoLater(t, stop);
  const { urls } = await endpointOf(config);
  const caller = callerOf(t, urls.internal ?? "");
  return { ...caller, config, adminUrl: urls.admin, pids: () => pids, stop };
}

export async function endpointOf(config: AgentConfig): Promise<RunEndpoint> {
  const file = join(config.runDirectory, `${config.zone}.agent.json`);
  return Value.Parse(RunEndpoint, JSON.parse(await readFile(file, "utf8")));
}

/** Whether a process with that number is there and not merely waiting to be reaped. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return status !== "" && !status.includes(") Z ");
}

/** For what other processes do in their own time; fails after 10 s. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within 10 s: ${String(holds)}`);
    await sleep(10);
  }
}
