import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { DiscoveryConfig } from "#lib/contracts/discovery-config.ts";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { OpenDiscovery } from "#lib/ports/discovery.ts";
import { runDirectoryDiscovery } from "./run-directory.ts";

export interface DiscoveryGround {
  readonly program: RunEndpoint["program"];
  readonly zone: string;
  readonly zones: readonly Zone[];
  readonly runDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * How the configuration says that the programs find each other. The files of the run directory, which `meridian up` reads too, are
 * written by the programs themselves, whatever else they are announced to; an embedded catalog is found there by every kind.
 */
export async function openDiscovery(
  config: DiscoveryConfig,
  ground: DiscoveryGround,
): Promise<OpenDiscovery> {
  const discovery = await openKind(config, ground);
  if (config.kind === "run-directory") return discovery;
  const onThisMachine = runDirectoryDiscovery(ground.runDirectory);
  return {
    ...discovery,
    list: async () => {
      const listed = await discovery.list();
      if (listed.some(({ program }) => program === "catalog")) return listed;
      const catalogs = (await onThisMachine.list()).filter(({ program }) => program === "catalog");
      return [...listed, ...catalogs];
    },
  };
}

async function openKind(config: DiscoveryConfig, ground: DiscoveryGround): Promise<OpenDiscovery> {
  const { runDirectory } = ground;
  switch (config.kind) {
    case "run-directory":
      return { ...runDirectoryDiscovery(runDirectory), announce: nowhere, close: nowhere };
    case "static": {
      const { endpoints } = config;
      return { list: async () => endpoints, announce: nowhere, close: nowhere };
    }
    case "consul": {
      const folder = join(runDirectory, "known");
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const memoryFile = join(folder, `${ground.zone}.${ground.program}.json`);
      const clusterIds = new Map(ground.zones.map(({ name, clusterId }) => [name, clusterId]));
      // Imported only where it is configured: the package takes its time to load.
      const { openConsulDiscovery } = await import("./consul-discovery.ts");
      return await openConsulDiscovery({ ...ground, config, memoryFile, clusterIds });
    }
  }
}

const nowhere = async (): Promise<void> => {};
