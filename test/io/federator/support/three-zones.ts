import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ZoneStatus } from "#lib/contracts/api-status.ts";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { type InternalClient, internalClient } from "#lib/io/internal-client.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { publishEndpoint, readEndpoints, runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { Discovery, ExtraObserver } from "#lib/ports/discovery.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { FederatorConfig } from "../../../../federator/config.ts";
import { startFederator } from "../../../../federator/federator.ts";
import { type CuttableCatalog, cuttableCatalog } from "./cuttable-catalog.ts";

export const BOOT_TOKEN = "a-token-of-this-test";

export const ZONES: readonly Zone[] = ["eu-west", "us-east", "ap-south"].map((name) => ({
  name,
  region: name,
  jurisdiction: name.slice(0, 2),
  clusterId: `${name}-1`,
  latitudeDegrees: 0,
  longitudeDegrees: 0,
}));

/** Everything ten times as fast as under `meridian up`. */
const QUICK = {
  probeIntervalMs: 50,
  probeTimeoutMs: 200,
  probeRetryMs: 40,
  refusalsToDown: 3,
  expectedIntervalMs: 50,
  deviationMinMs: 20,
  deviationMaxMs: 40,
  // What dies here refuses; silence is this machine's, which has other things to do.
  acceptablePauseMs: 3_000,
  goodsToUp: 2,
  firstSightMs: 1_000,
  gossipIntervalMs: 50,
  gossipTimeoutMs: 200,
  evidenceMaxAgeMs: 1_000,
  // A busy machine must not make the test's own observers distrust themselves.
  eventLoopLagMaxMs: 5_000,
  upHoldMs: 500,
  upHoldMaxMs: 60_000,
  flapMemoryMs: 60_000,
  rampMs: 900,
  leaderTtlMs: 900,
  sessionTtlMs: 2_500,
  grantsIntervalMs: 100,
  digestIntervalMs: 1_000,
  scrubIntervalMs: 1_000,
  waveSoakMs: 200,
};

export interface TestZone {
  readonly link: CuttableCatalog;
  /** Like kill -9: nothing is told to anybody. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly killAgent: () => Promise<void>;
  readonly startAgent: () => Promise<void>;
  readonly status: () => Promise<ZoneStatus>;
  readonly federatorUrl: () => Promise<string>;
  readonly metrics: () => Promise<string>;
}

export interface TestFederation {
  readonly directory: string;
  readonly catalog: Catalog;
  readonly client: InternalClient;
  readonly discovery: Discovery;
  readonly zone: (name: string) => TestZone;
  readonly record: (key: string) => Promise<Record<string, unknown> | undefined>;
  readonly verdict: (zone: string) => Promise<Record<string, unknown> | undefined>;
  readonly isInService: (zone: string) => Promise<boolean>;
  readonly allInService: () => Promise<boolean>;
  /** Run before anything else stops. */
  readonly onStop: (close: () => Promise<void>) => void;
  readonly stop: () => Promise<void>;
}

/** Three zones in this process: real federators with fake agents, on a catalog in memory unless another is given. */
export async function startThreeZones(
  overrides: Partial<FederatorConfig> = {},
  prepare: (catalog: Catalog) => Promise<void> = async () => undefined,
  extraObserver?: ExtraObserver,
  catalog: Catalog = createMemoryCatalog({ clock: systemClock }),
): Promise<TestFederation> {
  const directory = await mkdtemp(join(tmpdir(), "meridian-federators-"));
  const runDirectory = join(directory, "run");
  await prepare(catalog);
  const client = internalClient(BOOT_TOKEN);
  const discovery = runDirectoryDiscovery(runDirectory);
  const zones = new Map(
    ZONES.map(({ name }) => [
      name,
      testZone(name, {
        directory,
        runDirectory,
        catalog,
        client,
        discovery,
        overrides,
        extraObserver,
      }),
    ]),
  );
  await Promise.all(zones.values().map((zone) => zone.start()));

  const zone = (name: string): TestZone => {
    const found = zones.get(name);
    if (found === undefined) throw new Error(`no zone ${name}`);
    return found;
  };
  const record = async (key: string) => {
    const page = await catalog.range({ prefix: key, limit: 1 });
    const found = page.kind === "page" ? page.records.find((one) => one.key === key) : undefined;
    return found && (JSON.parse(found.value) as Record<string, unknown>);
  };
  const closers: (() => Promise<void>)[] = [];
  const verdict = (name: string) => record(keys.verdict(`${name}-1`));
  const isInService = async (name: string) => (await verdict(name))?.["state"] === "up";
  return {
    directory,
    catalog,
    client,
    discovery,
    zone,
    record,
    verdict,
    isInService,
    allInService: async () =>
      (await Promise.all(ZONES.map(({ name }) => isInService(name)))).every(Boolean),
    onStop: (close) => closers.push(close),
    stop: async () => {
      await Promise.all(closers.map((close) => close()));
      await Promise.all(zones.values().map((one) => one.kill()));
      await catalog.close();
      await client.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

interface Surroundings {
  readonly directory: string;
  readonly runDirectory: string;
  readonly catalog: Catalog;
  readonly client: InternalClient;
  readonly discovery: Discovery;
  readonly overrides: Partial<FederatorConfig>;
  readonly extraObserver: ExtraObserver | undefined;
}

function testZone(name: string, around: Surroundings): TestZone {
  const link = cuttableCatalog(around.catalog);
  let agent: Server | undefined;
  let federator: { readonly stop: () => Promise<void> } | undefined;

  const startAgent = async (): Promise<void> => {
    agent = createServer((_request, response) => response.writeHead(204).end());
    await new Promise<void>((resolve) => agent?.listen(0, "127.0.0.1", resolve));
    const { port } = agent.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    await publishEndpoint(around.runDirectory, {
      program: "agent",
      zone: name,
      pid: process.pid,
      bootId: `${name}-${port}`,
      urls: { internal: url, admin: url },
    });
  };
  const killAgent = async (): Promise<void> => {
    const dying = agent;
    agent = undefined;
    if (dying === undefined) return;
    const closed = new Promise((resolve) => dying.close(resolve));
    dying.closeAllConnections();
    await closed;
  };
  const startOwnFederator = async (): Promise<void> => {
    link.mend();
    const config: FederatorConfig = {
      zone: name,
      zones: [...ZONES],
      runDirectory: around.runDirectory,
      bootTokenFile: "",
      stateDirectory: join(around.directory, name),
      codeDirectory: join(around.directory, name, "code"),
      codeStore: { kind: "directory" },
      discovery: { kind: "run-directory" },
      catalog: { kind: "embedded" },
      logLevel: "silent",
      failover: "on",
      internalPort: 0,
      adminPort: 0,
      acceptLargeRemovals: false,
      ...QUICK,
      ...around.overrides,
    };
    const ports = {
      catalog: link,
      discovery: around.discovery,
      client: around.client,
      clock: systemClock,
      random: systemRandom,
      bootToken: BOOT_TOKEN,
      ...(around.extraObserver !== undefined && { extraObserver: around.extraObserver }),
    };
    federator = await startFederator(config, ports, pino({ level: "silent" }));
  };
  const ownUrls = async (): Promise<RunEndpoint["urls"] | undefined> => {
    const endpoints = await readEndpoints(around.runDirectory);
    return endpoints.find(({ program, zone }) => program === "federator" && zone === name)?.urls;
  };
  const federatorUrl = async (): Promise<string> => (await ownUrls())?.internal ?? "";
  return {
    link,
    start: async () => {
      await Promise.all([startAgent(), startOwnFederator()]);
    },
    kill: async () => {
      link.cut();
      const dying = federator;
      federator = undefined;
      await Promise.all([killAgent(), dying?.stop()]);
    },
    startAgent,
    killAgent,
    federatorUrl,
    metrics: async () => (await fetch(`${(await ownUrls())?.admin}/metrics`)).text(),
    status: async () =>
      (await around.client.json(await federatorUrl(), {
        path: "/internal/zone-status",
        timeoutMs: 2_000,
      })) as ZoneStatus,
  };
}
