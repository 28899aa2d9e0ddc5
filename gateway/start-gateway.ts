import { randomBytes } from "node:crypto";
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
import { createDemandMeter } from "./core/measure-demand.ts";
import { type Network, parseNetwork } from "./core/network-address.ts";
import { createRequestIds } from "./core/request-id.ts";
import { createTenantLimits } from "./core/tenant-limits.ts";
import { createGateway } from "./gateway.ts";
import { accessLog } from "./io/access-log.ts";
import { gatewayMetrics } from "./io/gateway-metrics.ts";
import { openGeoDatabase } from "./io/geo-database.ts";
import { startHttpServer } from "./io/http-server.ts";
import { passToFederator } from "./io/pass-to-federator.ts";
import { linkClusters } from "./io/probe-clusters.ts";
import { watchReadiness } from "./io/readiness.ts";
import { startReporting } from "./io/report-gateway.ts";
import { followRoutes } from "./io/route-feed.ts";
import type { IdentifiedCall } from "./call.ts";
import type { Accounting } from "./stages/account.ts";
import { type Locating, readClues } from "./stages/locate.ts";

const clock = systemClock;
const random = systemRandom;

export interface RunningGateway extends RunningProgram {
  readonly publicUrl: string;
  readonly admin: AdminServer;
}

/** Opens everything a gateway needs, in the order in which it is needed; `stop` closes it the other way round. */
export async function startGateway(config: GatewayConfig, log: Logger): Promise<RunningGateway> {
  const { zone, zones, failover } = config;
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
  const receiver = `${zone}.gateway`;
  const requestIds = createRequestIds(randomBytes(9).toString("base64url"));
  const limits = createTenantLimits(floorOf(config), clock.nowMs());
  const demand = createDemandMeter();
  const meter = createCallMeter(clock.nowMs());
  const shared = { ...config, discovery, client, bootToken, clock, random, log, receiver };

  const routing = keep(await followRoutes({ ...shared, limits }));
  const links = keep(await linkClusters(shared));
  const clientIp = (call: IdentifiedCall): string => readClues(call, locating).clientIp;
  const pass = keep(passToFederator({ ...shared, clientIp }));
  const arms = createArmCounters();
  const bootId = randomBytes(8).toString("hex");
  keep(startReporting({ ...shared, bootId, demand, meter, arms, avoided: links.avoided }));

  const registry = metricsRegistry("gateway", zone);
  const clusterIds = zones.map(({ clusterId }) => clusterId);
  const metrics = gatewayMetrics(registry, clusterIds, routing, links);
  const access = keep(accessLog(zone, config.logLevel));
  const readiness = watchReadiness(clusterIds, routing, links, clock);
  const accounting: Accounting = {
    record: (record) => {
      metrics.request(record);
      access.write(record);
    },
    unforeseen: (requestId, error) => log.error({ requestId, err: error }, "unforeseen error"),
  };

  const handler = createGateway(
    {
      clock,
      random,
      requestIds,
      routing,
      limits,
      demand,
      meter,
      arms,
      accounting,
      agents: links,
      control: pass.handle,
      onRetry: metrics.retry,
      notReady: readiness.notReady,
    },
    { zones, locating, failover, securityMaxAgeMs: config.securityMaxAgeMs },
  );
  const server = await startHttpServer({ ...shared, handler, requestIds });
  opened.defer(() => server.drain(config.drainMs));
  const admin = keep(await startAdminServer(registry, readiness.notReady));
  const urls = { public: server.publicUrl, admin: admin.url };
  const endpoint = { program: "gateway", zone, pid: process.pid, bootId, urls } as const;
  keep(await keepPublished(config.runDirectory, endpoint));
  await discovery.announce(endpoint);

  const closing = opened.move();
  return {
    publicUrl: server.publicUrl,
    admin,
    stop: async () => {
      readiness.startDraining();
      await server.drain(config.drainMs);
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

/** Until a share of a tenant is heard, this zone's even part of the floors is surely nobody else's. */
function floorOf({ zone, zones }: GatewayConfig): number {
  const { zones: shares } = evenGrants(
    "",
    zones.map(({ name }) => name),
  );
  return shares[zone]?.floorMillionths ?? 0;
}
