import { randomBytes, randomFillSync } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { type AdminServer, metricsRegistry, startAdminServer } from "#lib/io/admin-server.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { openDiscovery } from "#lib/io/open-discovery.ts";
import { keepPublished } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { evenGrants } from "#lib/divide-grants.ts";
import { ConfigError } from "#lib/parse-config.ts";
import type { RunningProgram } from "#lib/run-program.ts";
import type { GatewayConfig } from "./config.ts";
import { createCallMeter } from "./core/measure-calls.ts";
import { createArmCounters } from "./core/count-arms.ts";
import { createClusterRooms } from "./core/cluster-rooms.ts";
import { createFunctionCircuits } from "./core/function-circuits.ts";
import { createDemandMeter } from "./core/measure-demand.ts";
import { type Network, parseNetwork } from "./core/network-address.ts";
import { createRequestIds } from "./core/request-id.ts";
import { createRetryBudgets } from "./core/retry-budget.ts";
import { createTenantLimits } from "./core/tenant-limits.ts";
import { createTraceIds } from "./core/trace-ids.ts";
import { createGateway } from "./gateway.ts";
import { gatewayState } from "./io/gateway-state.ts";
import { openGeoDatabase } from "./io/geo-database.ts";
import { startHttpServer } from "./io/http-server.ts";
import { observeGateway } from "./io/observe-gateway.ts";
import { passToGateway } from "./io/pass-to-gateway.ts";
import { passToFederator } from "./io/pass-to-federator.ts";
import { linkClusters } from "./io/probe-clusters.ts";
import { watchReadiness } from "./io/readiness.ts";
import { startReporting } from "./io/report-gateway.ts";
import { followRoutes } from "./io/route-feed.ts";
import { stateMetrics } from "./io/state-metrics.ts";
import type { IdentifiedCall } from "./call.ts";
import { type Locating, readClues } from "./stages/locate.ts";

/**
 * Retries of a tenant: so many, or this share of its requests of the last ten seconds. A cluster that hangs has up to a second of its
 * calls when its pings tell; three calls a second are the least that is worth a promise.
 */
const RETRY_BUDGET = { retriesMin: 30, retryPercent: 20, retriesMinOfAll: 100 };

const clock = systemClock;
const random = systemRandom;
/** Refilled for about 300 calls at a time. */
const traceDigits = Buffer.allocUnsafe(8_192);

export interface RunningGateway extends RunningProgram {
  readonly publicUrl: string;
  /** HTTPS, where there is a certificate. */
  readonly secureUrl: string | undefined;
  readonly admin: AdminServer;
}

/** Opens everything a gateway needs, in the order in which it is needed; `stop` closes it the other way round. */
export async function startGateway(config: GatewayConfig, log: Logger): Promise<RunningGateway> {
  const { zone, zones } = config;
  await using opened = new AsyncDisposableStack();
  const keep = <T extends { readonly close: () => Promise<void> | void }>(resource: T): T => {
    opened.defer(() => resource.close());
    return resource;
  };

  const locating = await readLocating(config, log);
  await mkdir(config.stateDirectory, { recursive: true, mode: 0o700 });
  const bootToken = (await readFile(config.bootTokenFile, "utf8")).trim();
  const discovery = keep(
    await openDiscovery(config.discovery, {
      ...config,
      program: "gateway",
      clock,
      log,
    }),
  );
  const client = keep(internalClient(bootToken));
  const name = config.worker === 1 ? "gateway" : `gateway.${config.worker}`;
  const receiver = `${zone}.${name}`;
  const requestIds = createRequestIds(randomBytes(9).toString("base64url"));
  const traceIds = createTraceIds(() => randomFillSync(traceDigits).toString("hex"));
  const limits = createTenantLimits(floorOf(config), clock.nowMs(), config.workers);
  const demand = createDemandMeter();
  const meter = createCallMeter(clock.nowMs());
  const shared = { ...config, discovery, client, bootToken, clock, random, log, receiver };

  const routing = keep(await followRoutes({ ...shared, limits }));
  const links = keep(await linkClusters(shared));
  const clientIp = (call: IdentifiedCall): string => readClues(call, locating, undefined).clientIp;
  const pass = keep(passToFederator({ ...shared, clientIp }));
  const arms = createArmCounters();
  const bootId = randomBytes(8).toString("hex");
  keep(startReporting({ ...shared, bootId, demand, meter, arms, avoided: links.avoided }));

  const circuits = createFunctionCircuits(random);
  const rooms = createClusterRooms(
    (clusterId) => links.health(clusterId).roundTripMs,
    config.workers,
  );
  const budget = createRetryBudgets(RETRY_BUDGET);
  const registry = metricsRegistry("gateway", zone);
  const clusterIds = zones.map(({ clusterId }) => clusterId);
  const observation = keep(
    observeGateway({ ...shared, registry, traceIds, share: config.accessLogShare }),
  );
  const readiness = watchReadiness(clusterIds, routing, links, clock);
  const { counts } = observation.metrics;
  const inner = { ...shared, routing, links, rooms, circuits, budget, limits, bootId };
  stateMetrics(registry, clusterIds, inner);
  const state = gatewayState({ ...inner, counts, notReady: readiness.notReady });

  const handler = createGateway(
    {
      clock,
      random,
      requestIds,
      traceIds,
      routing,
      limits,
      demand,
      meter,
      arms,
      accounting: observation.accounting,
      agents: links,
      control: pass.handle,
      onRetry: observation.metrics.retry,
      onHedge: observation.metrics.hedge,
      circuits,
      rooms,
      budget,
      state,
      passToGateway: keep(passToGateway(discovery)).pass,
      notReady: readiness.notReady,
    },
    { ...config, locating, tracedShare: config.accessLogShare },
  );
  await readiness.untilServing();
  const server = await startHttpServer({
    ...shared,
    handler,
    requestIds,
    limits: config,
    trustedProxies: locating.trustedProxies,
    onRefused: observation.refused,
    onConnectionRefused: observation.metrics.connectionRefused,
    countStreamed: observation.metrics.streamed,
  });
  opened.defer(() => server.drain(config));
  const admin = keep(await startAdminServer(observation.source, readiness.notReady));
  const urls = { public: server.publicUrl, admin: admin.url };
  const endpoint = { program: "gateway", zone, pid: process.pid, bootId, urls } as const;
  keep(await keepPublished(config.runDirectory, endpoint, name));
  await discovery.announce(endpoint);

  const closing = opened.move();
  return {
    publicUrl: server.publicUrl,
    secureUrl: server.secureUrl,
    admin,
    stop: async () => {
      readiness.startDraining();
      await clock.sleep(config.noticeMs);
      routing.giveUpRights();
      await server.drain(config);
      await closing.disposeAsync();
    },
  };
}

async function readLocating(config: GatewayConfig, log: Logger): Promise<Locating> {
  const { zones, edgeCountryHeaders } = config;
  const gatewayZone = zones.find(({ name }) => name === config.zone);
  if (gatewayZone === undefined)
    throw new ConfigError(
      `the configuration is invalid:\n  /zone: ${config.zone} is not in /zones`,
    );
  const countryOf = await openGeoDatabase(config.geoDatabase, log);
  return {
    geography: { zones, gatewayZone, countryOf },
    trustedProxies: config.trustedProxies.map(readNetwork),
    edgeCountryHeaders,
  };
}

function readNetwork(text: string): Network {
  const network = parseNetwork(text);
  if (network === undefined)
    throw new ConfigError(
      `the configuration is invalid:\n  /trustedProxies: ${text} is neither an address nor a network`,
    );
  return network;
}

/** Until a share of a tenant is heard, this worker's even part of its zone's even part of the floors is surely nobody else's. */
function floorOf({ zone, zones, workers }: GatewayConfig): number {
  const { zones: shares } = evenGrants(
    "",
    zones.map(({ name }) => name),
  );
  return Math.floor((shares[zone]?.floorMillionths ?? 0) / workers);
}
