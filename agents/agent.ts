import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import type { AgentReport } from "#lib/contracts/zone-report.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { metricsRegistry, startAdminServer } from "#lib/io/admin-server.ts";
import { type FeedFollower, followFeed } from "#lib/io/follow-feed.ts";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import { keepPublished } from "#lib/io/run-directory.ts";
import type { Discovery, OpenDiscovery } from "#lib/ports/discovery.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import { ConfigError } from "#lib/parse-config.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import type { Random } from "#lib/ports/random.ts";
import type { RunningProgram } from "#lib/run-program.ts";
import type { AgentConfig } from "./config.ts";
import { summarizeZone } from "./core/summarize-zone.ts";
import type { InstanceDriver } from "./drivers/driver.ts";
import { type AdoptionPorts, adoptInstances } from "./io/adopt-instances.ts";
import { agentMetrics } from "./io/agent-metrics.ts";
import { type OpenCodeCache, openCodeCache } from "./io/code-cache.ts";
import { keepReporting } from "./io/federator-link.ts";
import { fetchCode } from "./io/fetch-code.ts";
import { fetchSecret } from "./io/fetch-secret.ts";
import { openFunctionLogs } from "./io/function-logs.ts";
import { instancePools } from "./io/instance-pools.ts";
import { startInvokeServer } from "./io/invoke-server.ts";
import { keepPlaced } from "./io/keep-placed.ts";
import { keepRhythms, readRhythms } from "./io/kept-rhythms.ts";
import { placedVersions } from "./io/placed-versions.ts";
import { logIsolation } from "./io/log-isolation.ts";
import { type Prefetching, prefetchCode } from "./io/prefetch-code.ts";
import { prefetchSecrets } from "./io/prefetch-secrets.ts";
import { openReplays } from "./io/open-replays.ts";
import { openSecretStore } from "./io/secret-store.ts";
import { serveCall } from "./io/serve-call.ts";
import { showUsage } from "./io/usage-metrics.ts";
import { usageRecorder } from "./io/usage-recorder.ts";
import { type StandIn, standIn } from "./io/stand-in.ts";
import { watchStuck } from "./io/watch-stuck.ts";
import { functionLogWriter } from "./io/write-function-log.ts";

/** Instances whose code is too busy to come back sooner are taken over while the agent serves. */
const ADOPTION_WAIT_MS = 1_000;

export interface AgentPorts {
  readonly driver: InstanceDriver;
  readonly discovery: Discovery;
  /** Tells where this program listens, beside the run directory; absent where nothing else needs to know. */
  readonly announce?: OpenDiscovery["announce"];
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly bootToken: string;
  /** Absent: instances that need secrets cannot be started. */
  readonly keyEncryption?: KeyEncryption | undefined;
}

/**
 * One cluster's agent. Calls come in through the invoke server, wait in the pool of their version for an instance of the driver
 * and go out the same way; what may run here comes from the zone's federator, and from disk while there is none.
 */
export async function startAgent(
  config: AgentConfig,
  ports: AgentPorts,
  log: Logger,
): Promise<RunningProgram> {
  await using started = new AsyncDisposableStack();
  const { driver, clock } = ports;
  const zone = zoneOf(config);
  const place = { zone: zone.name, clusterId: zone.clusterId };
  const registry = metricsRegistry("agent", zone.name);

  const logs = await openFunctionLogs(join(config.stateDirectory, "logs"), config, log);
  started.defer(logs.close);
  const functionLog = functionLogWriter(logs, zone.name, clock);
  const avoided = latestValue<readonly string[]>([]);
  const feed = await startFeed(config, ports, avoided, log);
  started.defer(feed.close);
  const versions = placedVersions(feed, zone, driver.isolation, clock);
  started.defer(versions.close);
  const code = await startCodeCache(config, ports, log);
  started.defer(code.close);

  const secrets = await openSecretStore(
    join(config.stateDirectory, "secrets"),
    (...wanted) => fetchSecret({ ...ports, zone: config.zone }, ...wanted),
    ports.keyEncryption,
  );
  started.defer(secrets.close);

  const usage = usageRecorder(
    { file: join(config.stateDirectory, "usage", "book.db"), bytesMax: config.usageBytesMax },
    clock,
    log,
  );
  started.defer(usage.close);
  showUsage(registry, usage);
  const metrics = agentMetrics(registry, {
    loads: () => pools.loads(),
    isolation: driver.isolation.get,
    clock,
  });
  started.defer(logIsolation(driver.isolation, log));
  started.defer(watchStuck(() => pools.loads(), clock, log));
  const rhythmsFile = join(config.stateDirectory, "rhythms.jsonl");
  const pools = instancePools(
    { driver, code, secrets, clock, metrics, usage, onLog: functionLog.line },
    { ...config, lastIdleMs: config.idleMs },
    versions.concurrencyMax,
    await readRhythms(rhythmsFile, log),
  );
  started.defer(pools.close);
  started.defer(keepRhythms(rhythmsFile, pools.rhythms, clock, log).close);
  started.defer(feed.table.subscribe(() => pools.keepKnown(versions.current)));
  started.defer(
    await takeOver({
      driver,
      code,
      clock,
      versions,
      pools,
      log,
      table: feed.table,
      onLog: functionLog.line,
    }),
  );
  started.defer(keepPlaced(feed, zone, pools, driver.isolation, clock).close);
  const standsIn = standIn({
    zone,
    zones: config.zones,
    table: feed.table,
    avoided,
    pools,
    versions,
    clock,
  });
  started.defer(standsIn.close);
  const prefetching = prefetchCode(feed, zone, code, clock);
  started.defer(prefetching.close);
  started.defer(prefetchSecrets(feed, zone, secrets, clock, log).close);

  const notReady = () => (feed.table.get() === undefined ? "there is no route table yet" : null);
  const admin = await startAdminServer(registry, notReady, config.adminPort);
  started.defer(admin.close);
  const replays = openReplays(config, clock, metrics, log);
  started.defer(replays.close);
  const serve = serveCall({
    place,
    clock,
    versions,
    pools,
    metrics,
    usage,
    log,
    replays: replays.answers,
    onFunctionError: (of, requestId, { error }) => functionLog.failure(of, requestId, error),
  });
  const server = await startInvokeServer(
    {
      bootToken: ports.bootToken,
      place,
      clock,
      log,
      serve,
      readLogs: logs.read,
      readUsage: usage.read,
    },
    config.internalPort,
  );
  started.defer(async () => {
    await server.drain(config.farewellMs, config.drainMs);
    const { inFlight } = summarizeZone(
      zone.clusterId,
      config.instancesMax,
      pools.loads(),
      clock.nowMs(),
    );
    if (inFlight > 0) log.warn({ calls: inFlight }, "calls outlasted the drain, and end with it");
  });
  const endpoint: RunEndpoint = {
    program: "agent",
    zone: zone.name,
    pid: process.pid,
    bootId: randomUUID(),
    urls: { internal: server.url, admin: admin.url },
  };
  started.defer((await keepPublished(config.runDirectory, endpoint)).close);
  await ports.announce?.(endpoint);
  started.defer(startReporting(config, ports, pools, code, prefetching, standsIn, log));

  const running = started.move();
  return { stop: () => running.disposeAsync() };
}

function zoneOf({ zone, zones }: AgentConfig): Zone {
  const own = zones.find(({ name }) => name === zone);
  if (own === undefined) throw new ConfigError(`the zone ${zone} is not among the zones`);
  return own;
}

function startFeed(
  config: AgentConfig,
  ports: AgentPorts,
  avoided: LatestValue<readonly string[]>,
  log: Logger,
): Promise<FeedFollower> {
  return followFeed({
    ...ports,
    log,
    onOverlay: ({ downClusters }) => {
      if (downClusters.join() !== avoided.get().join()) avoided.set(downClusters);
    },
    receiver: `${config.zone}.agent`,
    zone: config.zone,
    tableFile: join(config.stateDirectory, "route-table.json"),
  });
}

function startCodeCache(
  config: AgentConfig,
  ports: AgentPorts,
  log: Logger,
): Promise<OpenCodeCache> {
  const { zone, codeDirectory } = config;
  const sources = { zone, codeDirectory, discovery: ports.discovery, client: ports.client };
  return openCodeCache(
    join(config.stateDirectory, "code"),
    config.codeCacheBytesMax,
    (...wanted) => fetchCode(sources, ...wanted),
    ports.clock,
    log,
  );
}

/** Before instances are started for what those may do that are there. Gives the function that stops it. */
async function takeOver(ports: AdoptionPorts): Promise<() => void> {
  const stopping = new AbortController();
  const adopting = adoptInstances(ports, stopping.signal);
  await Promise.race([adopting, ports.clock.sleep(ADOPTION_WAIT_MS)]);
  return () => stopping.abort();
}

/** Gives the function that stops it. */
function startReporting(
  config: AgentConfig,
  ports: AgentPorts,
  pools: ReturnType<typeof instancePools>,
  code: Pick<OpenCodeCache, "troubles">,
  prefetching: Prefetching,
  standsIn: StandIn,
  log: Logger,
): () => Promise<void> {
  const stopping = new AbortController();
  const { clusterId } = zoneOf(config);
  const report = (): AgentReport => {
    const isolation = ports.driver.isolation.get();
    const codeTroubles = [...code.troubles()];
    return {
      ...summarizeZone(clusterId, config.instancesMax, pools.loads(), ports.clock.nowMs()),
      codeMissing: [...prefetching.missing()],
      ...(codeTroubles.length > 0 && { codeTroubles }),
      ...(isolation !== undefined && { isolation }),
    };
  };
  const reporting = keepReporting(
    { ...ports, zone: config.zone, log },
    report,
    ({ neighbours }) => standsIn.heard(neighbours),
    stopping.signal,
  );
  return async () => {
    stopping.abort();
    await reporting;
  };
}
