import { randomUUID } from "node:crypto";
import type { Registry } from "prom-client";
import type { Logger } from "pino";
import { metricsRegistry, startAdminServer } from "#lib/io/admin-server.ts";
import { keepPublished } from "#lib/io/run-directory.ts";
import type { Discovery, OpenDiscovery } from "#lib/ports/discovery.ts";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import type { RunningProgram } from "#lib/run-program.ts";
import type { FederatorConfig } from "./config.ts";
import { type ControlPorts, startControl } from "./control.ts";
import { registerApi } from "./io/api/api.ts";
import type { Api } from "./io/api/api-context.ts";
import { openAudit } from "./io/audit/audit.ts";
import { openCodeStore } from "./io/code/open-code-store.ts";
import { watchEventLoopLag } from "./io/event-loop-lag.ts";
import { openZoneDesk } from "./io/federation.ts";
import { openFeedFormat } from "./io/feed/feed-format.ts";
import { federatorCounters, registerReadings } from "./io/federator-metrics.ts";
import { startInternalServer } from "./io/api/internal-server.ts";
import { httpLinks } from "./io/verdicts/links.ts";
import { openDecisions } from "./io/replica/open-decisions.ts";
import { keepReplica } from "./io/replica/keep-replica.ts";
import { registerReplicaReadings } from "./io/replica/replica-metrics.ts";
import { replicaRoutes } from "./io/replica/replica-routes.ts";

export interface FederatorPorts extends Omit<ControlPorts, "links" | "lagMs"> {
  readonly discovery: Discovery;
  /** Tells where this program listens, beside the run directory; absent where nothing else needs to know. */
  readonly announce?: OpenDiscovery["announce"];
  readonly client: InternalClient;
  readonly bootToken: string;
  /** Absent: secrets are refused. */
  readonly keyEncryption?: KeyEncryption | undefined;
}

/**
 * One zone's federator: a replica of the catalog, what is compiled from it for the zone's gateways and agents, this zone's part
 * in judging clusters, leading and dividing quotas (`control.ts`), and the management API.
 */
export async function startFederator(
  config: FederatorConfig,
  ports: FederatorPorts,
  log: Logger,
): Promise<RunningProgram> {
  await using started = new AsyncDisposableStack();
  const { discovery, client, clock, bootToken } = ports;
  const { zone, zones } = config;
  const sessionId = randomUUID();
  const registry = metricsRegistry("federator", zone);

  const kept = await keepReplica(config, ports, log);
  started.defer(kept.close);
  const { replica, catalog } = kept;
  const codeStore = await openCodeStore(config.codeStore, { ...config, clock, log });
  started.defer(codeStore.close);
  const audit = await openAudit({ directory: config.stateDirectory, catalog, clock, log });
  started.defer(audit.close);

  const isNewFeedFormat = await openFeedFormat(config.stateDirectory);
  const lag = watchEventLoopLag();
  started.defer(lag.close);
  const control = startControl(
    config,
    {
      ...ports,
      catalog,
      links: httpLinks({ discovery, client }),
      lagMs: lag.lagMs,
      isNewFeedFormat,
    },
    replica,
    sessionId,
    log,
    federatorCounters(registry),
  );
  started.defer(control.close);
  const decisions = openDecisions({ zone, replica, gossip: control.gossip, clock });
  // A snapshot may have stranded records, or have found them in the catalog again.
  const stopTelling = replica.onApplied(({ isSnapshot }) => {
    if (isSnapshot) control.gossip.wake();
  });
  started.defer(async () => stopTelling());
  const desk = openZoneDesk({
    ...control,
    zoneName: zone,
    zones,
    discovery,
    client,
    clock,
    replica,
    replicaTroubles: kept.troubles,
  });
  registerReadings(registry, control.readings);
  registerReplicaReadings(registry, kept);

  const server = await startInternalServer(
    bootToken,
    config.internalPort,
    log,
    { ...control, desk },
    async (app) => {
      await app.register(async (scope: Api) => replicaRoutes(scope, kept.routes));
      await registerApi(app, {
        catalog: decisions.guardChanges(catalog),
        openDecisions: decisions,
        catalogDesk: kept.desk,
        replica,
        federation: desk,
        codeStore,
        // With a snapshot held back, or records that a restored catalog lost, this zone does not know what versions there are.
        mayCollectCode: () => replica.heldBack() === null && replica.stranded().count === 0,
        audit,
        client,
        clock,
        log,
        keyEncryption: ports.keyEncryption,
        zones,
        zone,
        bootToken,
      });
    },
  );
  started.defer(server.close);
  const admin = await startAdmin(config, registry, () => replica.position().incarnation !== "");
  started.defer(admin.close);
  const endpoint: RunEndpoint = {
    program: "federator",
    zone,
    pid: process.pid,
    bootId: sessionId,
    urls: { internal: server.url, admin: admin.url },
  };
  started.defer((await keepPublished(config.runDirectory, endpoint)).close);
  await ports.announce?.(endpoint);

  const running = started.move();
  return { stop: () => running.disposeAsync() };
}

function startAdmin(config: FederatorConfig, registry: Registry, hasPosition: () => boolean) {
  const notReady = (): string | null =>
    hasPosition() ? null : "the replica has no position yet: the catalog was never heard";
  return startAdminServer(registry, notReady, config.adminPort);
}
