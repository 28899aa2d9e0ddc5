import { join } from "node:path";
import { readFile } from "node:fs/promises";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { openCatalog } from "#lib/io/open-catalog.ts";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { apiClient } from "../api-client.ts";
import type { Step } from "../show-progress.ts";
import { catalogConfigOf, type CatalogPlan } from "./core/plan-catalog.ts";
import { CATALOG_GROUP, type ProgramName } from "./core/plan-programs.ts";
import { bundleExample, deployExample, EXAMPLE_FUNCTION } from "./io/deploy-example.ts";
import { seedCatalog } from "./io/seed-catalog.ts";
import { isReadyNow, pollUntil, waitUntilRouted } from "./io/wait-ready.ts";

export const EXAMPLE_TENANT = "demo";

export interface Starting {
  readonly runDirectory: string;
  readonly zones: readonly string[];
  readonly catalog: CatalogPlan;
  readonly credentials: Credentials;
  /** Whether a program of that group has said that it serves; costs nothing to ask. */
  readonly hasStarted: (group: string, program: ProgramName) => boolean;
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
      run: async () => {
        await until(starting, () => zones.some((zone) => starting.hasStarted(zone, "gateway")));
        await deployExample(
          apiClient(credentials.endpoint, apiKey),
          EXAMPLE_TENANT,
          () => bundled ?? bundleExample(),
          starting.clock,
          starting.signal,
        );
      },
    },
  ];
}

async function seed(starting: Starting): Promise<void> {
  const { runDirectory, zones, credentials, clock, signal } = starting;
  await until(starting, () => runsHere(starting));
  const client = internalClient(await readFile(join(runDirectory, "boot-token"), "utf8"));
  const catalog = await openCatalog(catalogConfigOf(starting.catalog, null), {
    discovery: runDirectoryDiscovery(runDirectory),
    client,
    clock,
    random: systemRandom,
    writerName: "up",
  });
  try {
    await seedCatalog(catalog, credentials, zones, clock.wallMs(), signal);
  } finally {
    await catalog.close();
    await client.close();
  }
}

/** As far as `up` runs the catalog itself. */
function runsHere({ catalog, hasStarted }: Starting): boolean {
  switch (catalog.kind) {
    case "embedded":
      return hasStarted(CATALOG_GROUP, "catalog");
    case "members":
      return catalog.members.every(({ zone }) => hasStarted(zone, "catalog"));
    case "endpoints":
      return true;
  }
}

/** The gateway is ready and would answer a call of the example. */
async function zoneReady(starting: Starting, zone: string, apiKey: string): Promise<void> {
  const { runDirectory, credentials, clock, signal } = starting;
  await until(
    starting,
    async () =>
      starting.hasStarted(zone, "gateway") &&
      (await isReadyNow(runDirectory, "gateway", zone, signal)),
  );
  const gateway = apiClient(credentials.zones[zone]?.gateway ?? credentials.endpoint, apiKey);
  await waitUntilRouted(gateway, EXAMPLE_TENANT, EXAMPLE_FUNCTION, clock, signal);
}

const until = (
  { clock, signal }: Starting,
  holds: () => boolean | Promise<boolean>,
): Promise<true> => pollUntil(clock, signal, async () => ((await holds()) ? true : undefined));
