import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { Registry } from "prom-client";
import { internalClient } from "#lib/io/internal-client.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { connectCatalog } from "#lib/io/remote-catalog.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { openSqliteCatalog, type SqliteCatalog } from "#lib/io/sqlite-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { catalogMetrics } from "../../../../catalog/catalog-metrics.ts";
import { catalogRoutes } from "../../../../catalog/catalog-routes.ts";
import { startCatalogServer } from "../../../../catalog/catalog-server.ts";

export const BOOT_TOKEN = "a boot token of the tests";

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "meridian-catalog-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function openMemory(t: TestContext): Promise<Catalog> {
  const catalog = createMemoryCatalog({ clock: systemClock });
  t.after(() => catalog.close());
  return catalog;
}

export async function openSqlite(
  t: TestContext,
  databaseFile?: string,
  databaseBytesMax = 1_000_000_000,
): Promise<SqliteCatalog> {
  const catalog = await openSqliteCatalog({
    databaseFile: databaseFile ?? join(await temporaryDirectory(t), "catalog", "catalog.sqlite"),
    databaseBytesMax,
    clock: systemClock,
    onLost: (cause) => {
      throw cause;
    },
  });
  t.after(() => catalog.close());
  return catalog;
}

/** The remote driver, a real server and a SQLite catalog behind it, in this process. */
export async function openRemote(t: TestContext): Promise<Catalog> {
  return connectTo(t, (await serveCatalog(t)).url);
}

/** A SQLite catalog and its door, in this process. */
export async function serveCatalog(
  t: TestContext,
): Promise<{ readonly catalog: SqliteCatalog; readonly url: string }> {
  const catalog = await openSqlite(t);
  const routes = catalogRoutes(catalog, catalogMetrics(new Registry(), catalog.status));
  const server = await startCatalogServer(routes, BOOT_TOKEN, pino({ level: "silent" }));
  t.after(() => server.close());
  return { catalog, url: server.url };
}

/** The remote driver against a fixed address. */
export function connectTo(
  t: TestContext,
  url: string,
  limits: { callTimeoutMs?: number; stallMs?: number } = {},
): Catalog {
  const client = internalClient(BOOT_TOKEN);
  const discovery: Discovery = {
    list: async () => [
      {
        program: "catalog",
        zone: null,
        pid: 1,
        bootId: "one",
        urls: { internal: url, admin: url },
      },
    ],
  };
  const catalog = connectCatalog({ discovery, client, clock: systemClock, ...limits });
  t.after(async () => {
    await catalog.close();
    await client.close();
  });
  return catalog;
}
