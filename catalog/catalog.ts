import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { metricsRegistry, startAdminServer } from "#lib/io/admin-server.ts";
import { keepPublished } from "#lib/io/run-directory.ts";
import { openSqliteCatalog } from "#lib/io/sqlite-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { RunningProgram } from "#lib/run-program.ts";
import { catalogMetrics } from "./catalog-metrics.ts";
import { catalogRoutes } from "./catalog-routes.ts";
import { startCatalogServer } from "./catalog-server.ts";
import { compactHistory } from "./compact-history.ts";
import type { CatalogConfig } from "./config.ts";

/** Opens the file, serves it, bounds its history, and says where; stops in the opposite order. */
export async function startCatalog(config: CatalogConfig, log: Logger): Promise<RunningProgram> {
  const { runDirectory, bootTokenFile, databaseFile, databaseBytesMax } = config;
  const bootToken = (await readFile(bootTokenFile, "utf8")).trim();
  const catalog = await openSqliteCatalog({
    databaseFile,
    databaseBytesMax,
    clock: systemClock,
    onLost: (cause) => {
      throw cause;
    },
  });
  const registry = metricsRegistry("catalog", null);
  const metrics = catalogMetrics(registry, catalog.status);
  const server = await startCatalogServer(catalogRoutes(catalog, metrics), bootToken, log);
  const admin = await startAdminServer(registry, () => null);
  const stopping = new AbortController();
  const compacting = compactHistory({ catalog, clock: systemClock, log }, config, stopping.signal);
  const published = await keepPublished(runDirectory, {
    program: "catalog",
    zone: null,
    pid: process.pid,
    bootId: randomUUID(),
    urls: { internal: server.url, admin: admin.url },
  });
  return {
    stop: async () => {
      stopping.abort();
      await published.close();
      await compacting;
      await server.close();
      await catalog.close();
      await admin.close();
    },
  };
}
