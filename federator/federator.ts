import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Registry } from "prom-client";
import type { Logger } from "pino";
import { metricsRegistry, startAdminServer } from "#lib/io/admin-server.ts";
import { publishEndpoint } from "#lib/io/run-directory.ts";
import type { Random } from "#lib/ports/random.ts";
import type { RunningProgram } from "#lib/run-program.ts";
import type { FederatorConfig } from "./config.ts";
import { type ControlPorts, startControl } from "./control.ts";
import { registerApi } from "./io/api.ts";
import { openAudit } from "./io/audit.ts";
import { openCodeStore } from "./io/code-store.ts";
import { federatorCounters, registerReadings } from "./io/federator-metrics.ts";
import { startInternalServer } from "./io/internal-server.ts";
import { openReplicaStore } from "./io/replica-store.ts";
import { startReplica } from "./io/replica.ts";

export interface FederatorPorts extends ControlPorts {
  readonly random: Random;
  readonly bootToken: string;
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
  const { catalog, client, clock, random, bootToken } = ports;
  const { zone, zones } = config;
  const sessionId = randomUUID();
  const registry = metricsRegistry("federator", zone);

  const store = await openReplicaStore(join(config.stateDirectory, "replica.sqlite"), log);
  const replica = await startReplica({
    catalog,
    store,
    clock,
    random,
    log,
    acceptLargeRemovals: config.acceptLargeRemovals,
  });
  started.defer(replica.close);
  const codeStore = await openCodeStore(config.codeDirectory);
  const audit = await openAudit({ directory: config.stateDirectory, catalog, clock, log });
  started.defer(audit.close);

  const control = startControl(config, ports, replica, sessionId, log, federatorCounters(registry));
  started.defer(control.close);
  registerReadings(registry, control.readings);

  const server = await startInternalServer(
    bootToken,
    config.internalPort,
    log,
    control,
    async (app) =>
      registerApi(app, {
        catalog,
        replica,
        federation: control.desk,
        codeStore,
        audit,
        client,
        clock,
        log,
        zones,
        zone,
        bootToken,
      }),
  );
  started.defer(server.close);
  const admin = await startAdmin(config, registry, () => replica.position().incarnation !== "");
  started.defer(admin.close);
  await publishEndpoint(config.runDirectory, {
    program: "federator",
    zone,
    pid: process.pid,
    bootId: sessionId,
    urls: { internal: server.url, admin: admin.url },
  });

  const running = started.move();
  return { stop: () => running.disposeAsync() };
}

function startAdmin(config: FederatorConfig, registry: Registry, hasPosition: () => boolean) {
  const notReady = (): string | null =>
    hasPosition() ? null : "the replica has no position yet: the catalog was never heard";
  return startAdminServer(registry, notReady, config.adminPort);
}
