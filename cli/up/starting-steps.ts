import { join } from "node:path";
import { readFile } from "node:fs/promises";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { connectCatalog } from "#lib/io/remote-catalog.ts";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { apiClient } from "../api-client.ts";
import type { Step } from "../show-progress.ts";
import { bundleExample, deployExample, EXAMPLE_FUNCTION } from "./io/deploy-example.ts";
import { seedCatalog } from "./io/seed-catalog.ts";
import { endpointOf, waitUntilReady, waitUntilRouted } from "./io/wait-ready.ts";

export const EXAMPLE_TENANT = "demo";

export interface Starting {
  readonly runDirectory: string;
  readonly zones: readonly string[];
  readonly credentials: Credentials;
  /** Nothing was ever deployed here. */
  readonly isFirstStart: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What has to happen until everything serves, each waiting for no more than it needs. */
export function startingSteps(starting: Starting): Step[] {
  const { zones, credentials } = starting;
  const apiKey = credentials.tenants[EXAMPLE_TENANT]?.apiKey ?? "";
  // Bundling takes a moment of its own, so it does not wait for anybody to listen.
  const bundled = starting.isFirstStart ? bundleExample() : undefined;
  bundled?.catch(() => {
    // Told by the step that needs it.
  });
  return [
    { title: "catalog", run: () => seed(starting) },
    ...zones.map((zone) => ({ title: zone, run: () => zoneReady(starting, zone, apiKey) })),
    {
      title: `example function ${EXAMPLE_FUNCTION}`,
      run: () =>
        deployExample(
          apiClient(credentials.endpoint, apiKey),
          EXAMPLE_TENANT,
          () => bundled ?? bundleExample(),
          starting.clock,
          starting.signal,
        ),
    },
  ];
}

async function seed({ runDirectory, zones, credentials, clock, signal }: Starting): Promise<void> {
  await endpointOf(runDirectory, "catalog", null, clock, signal);
  const client = internalClient(await readFile(join(runDirectory, "boot-token"), "utf8"));
  const catalog = connectCatalog({
    discovery: runDirectoryDiscovery(runDirectory),
    client,
    clock,
  });
  try {
    await seedCatalog(catalog, credentials, zones, clock.wallMs(), signal);
  } finally {
    await catalog.close();
    await client.close();
  }
}

/** The gateway is ready and would answer a call of the example. */
async function zoneReady(
  { runDirectory, credentials, clock, signal }: Starting,
  zone: string,
  apiKey: string,
): Promise<void> {
  const { urls } = await endpointOf(runDirectory, "gateway", zone, clock, signal);
  await waitUntilReady(urls.admin, clock, signal);
  const gateway = apiClient(credentials.zones[zone]?.gateway ?? credentials.endpoint, apiKey);
  await waitUntilRouted(gateway, EXAMPLE_TENANT, EXAMPLE_FUNCTION, clock, signal);
}
