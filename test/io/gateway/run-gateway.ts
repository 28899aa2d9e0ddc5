import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Value } from "typebox/value";
import { hashApiKey } from "#lib/api-key.ts";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { IsolationLevel } from "#lib/contracts/isolation.ts";
import type { RouteEntry, RouteVersion } from "#lib/contracts/route-table.ts";
import { publishEndpoint } from "#lib/io/run-directory.ts";
import { GatewayConfig } from "../../../gateway/config.ts";
import { type RunningGateway, startGateway } from "../../../gateway/start-gateway.ts";
import { threeZones } from "../../core/gateway/zones.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";

export const BOOT_TOKEN = "token-of-this-boot";
export const DEMO_KEY = "mk_demo_key";
export const OTHER_KEY = "mk_other_key";
export const READER_KEY = "mk_reader_key";

/** A folder of running programs, as `up` makes one. */
export interface TestFederation {
  readonly directory: string;
  readonly publish: (program: "agent" | "federator", zone: string, url: string) => Promise<void>;
  readonly withdraw: (program: "agent" | "federator", zone: string) => Promise<void>;
  /** What a gateway of the home zone is configured with. */
  readonly configOf: (changes?: Partial<GatewayConfig>) => GatewayConfig;
  readonly startGateway: (changes?: Partial<GatewayConfig>) => Promise<RunningGateway>;
  readonly remove: () => Promise<void>;
}

export async function testFederation(): Promise<TestFederation> {
  const directory = await mkdtemp(join(tmpdir(), "meridian-gateway-"));
  const runDirectory = join(directory, "run");
  const bootTokenFile = join(directory, "boot-token");
  await writeFile(bootTokenFile, `${BOOT_TOKEN}\n`);
  const configOf = (changes: Partial<GatewayConfig> = {}): GatewayConfig => {
    const config = Value.Default(GatewayConfig, {
      zone: "eu-west",
      zones: threeZones,
      runDirectory,
      bootTokenFile,
      stateDirectory: join(directory, "zones", "eu-west", "gateway"),
      logLevel: "silent",
      publicPort: 0,
      sharedPort: 0,
      trustedProxies: ["127.0.0.1"],
      drainMs: 2_000,
      lingerMs: 100,
      ...changes,
    });
    if (!Value.Check(GatewayConfig, config)) throw new Error("the test's configuration is wrong");
    return config;
  };
  let boots = 0;
  return {
    directory,
    publish: (program, zone, url) => {
      boots += 1;
      const urls = { internal: url, admin: url };
      const bootId = `boot-${boots}`;
      return publishEndpoint(runDirectory, { program, zone, pid: process.pid, bootId, urls });
    },
    withdraw: (program, zone) => rm(join(runDirectory, `${zone}.${program}.json`)),
    configOf,
    startGateway: (changes) => startGateway(configOf(changes), pino({ level: "silent" })),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

export interface FunctionShape {
  readonly name: string;
  readonly idempotent?: boolean;
  readonly regions?: readonly string[];
  readonly httpAuth?: "key" | "public";
  readonly timeoutMs?: number;
  readonly tier?: "critical" | "normal" | "batch";
  readonly hedge?: boolean;
  readonly interface?: "http";
  readonly fallback?: FunctionManifest["fallback"];
  readonly minIsolation?: IsolationLevel;
  /** Makes the function's live version its second: where the first may run. */
  readonly formerRegions?: readonly string[];
}

function functionEntry({ formerRegions, ...shape }: FunctionShape): RouteEntry {
  const { fallback: _none, ...former } = shape;
  const versions =
    formerRegions === undefined ? [shape] : [{ ...former, regions: formerRegions }, shape];
  return {
    kind: "function",
    tenant: "demo",
    functionName: shape.name,
    aliases: { live: versions.length },
    versions: versions.map((its, index) => routeVersion(its, index + 1)),
  };
}

function routeVersion(shape: Omit<FunctionShape, "formerRegions">, version: number): RouteVersion {
  const { name, regions = [], tier = "normal", ...manifest } = shape;
  const complete = Value.Default(FunctionManifest, {
    name,
    ...manifest,
    placement: { regions: [...regions], tier },
  });
  if (!Value.Check(FunctionManifest, complete)) throw new Error("the test's manifest is wrong");
  const codeDigest = `sha256:${"0".repeat(64)}`;
  return { version, codeDigest, codeBytes: 1, manifest: complete };
}

const LIMITS = { "requests-per-second": 1_000_000, burst: 1_000_000, concurrency: 100 };

export function tableEntries(options: {
  readonly functions: readonly FunctionShape[];
  readonly down?: readonly string[];
  readonly limits?: typeof LIMITS;
  /** What clusters have proved, by their names. */
  readonly levels?: Readonly<Record<string, IsolationLevel>>;
}): RouteEntry[] {
  return [
    { kind: "tenant", tenant: "demo", limits: options.limits ?? LIMITS },
    { kind: "tenant", tenant: "other", limits: LIMITS },
    keyEntry(DEMO_KEY, "demo", "tenant-admin"),
    keyEntry(OTHER_KEY, "other", "tenant-admin"),
    keyEntry(READER_KEY, "demo", "tenant-reader"),
    ...threeZones.map(({ clusterId }): RouteEntry => ({
      kind: "cluster",
      clusterId,
      state: options.down?.includes(clusterId) === true ? "down" : "up",
      weightPercent: 100,
      ...(options.levels?.[clusterId] !== undefined && {
        isolationLevel: options.levels[clusterId],
      }),
    })),
    ...options.functions.map(functionEntry),
  ];
}

/** A federator that has said all a gateway needs to decide on every call: table, confirmation, and the whole of demo's rate. */
export async function federatorWith(
  federation: TestFederation,
  functions: readonly FunctionShape[],
): Promise<FakeFederator> {
  const federator = await startFakeFederator();
  await federation.publish("federator", "eu-west", federator.url);
  federator.sendTable(tableEntries({ functions }), 1);
  federator.confirm();
  federator.grantAll();
  return federator;
}

const keyEntry = (
  text: string,
  tenant: string,
  role: "tenant-admin" | "tenant-reader",
): RouteEntry => ({ kind: "key", keyHash: hashApiKey(text), tenant, roles: [role] });

/** Asks until the answer is yes; the test runner's own limit ends it. */
export async function eventually(claim: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await claim())) await delay(10);
}

/** An agent in each of the three zones, which the federation's gateways find. */
export async function publishAgents(federation: TestFederation): Promise<FakeAgent[]> {
  const agents: FakeAgent[] = [];
  for (const { name } of threeZones) {
    const agent = await startFakeAgent(name);
    agents.push(agent);
    await federation.publish("agent", name, agent.url);
  }
  return agents;
}

export const totalCalls = (agents: readonly FakeAgent[]): number =>
  agents.reduce((sum, { calls }) => sum + calls.length, 0);

export interface InvokeOptions {
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export function invoke(
  gateway: RunningGateway,
  functionName: string,
  { key = DEMO_KEY, headers = {}, body = "{}", signal }: InvokeOptions = {},
): Promise<Response> {
  return fetch(`${gateway.publicUrl}/v1/tenants/demo/functions/${functionName}:invoke`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body,
    ...(signal === undefined ? {} : { signal }),
  });
}
