import type { Zone } from "#lib/contracts/zone.ts";
import { DRILL_FUNCTIONS, drillLedgersOf } from "#lib/drill-ledger.ts";
import { catalogConfigOf, type CatalogPlan } from "./plan-catalog.ts";

export type ProgramName = "catalog" | "federator" | "agent" | "gateway";
/** The group of the embedded catalog, which belongs to no zone; no zone can have this name. */
export const CATALOG_GROUP = "the catalog";
/** More instances than this at once would thrash one machine that holds every zone. */
const INSTANCES_MAX = 64;
/** As many gateways as one machine has use for in one zone. */
export const WORKERS_MAX = 16;

export interface Federation {
  /** Absolute. */
  readonly stateDirectory: string;
  readonly zones: readonly Zone[];
  readonly catalog: CatalogPlan;
  /** The one address; zone number n alone listens on `basePort` + n. */
  readonly basePort: number;
  readonly hasReusePort: boolean;
  /** Gateway processes in each zone, all on the zone's own port and the shared one. */
  readonly workers: number;
  readonly idleMs: number;
  readonly failover: "on" | "off";
  /** Of the gateways. */
  readonly fastLane: "on" | "off";
  /** The zones give up what an empty catalog does not hold any more. */
  readonly acceptsCatalogLoss: boolean;
  /** Addresses or networks whose forwarded headers the gateways believe. */
  readonly trustedProxies: readonly string[];
  readonly logLevel: string;
}

/** One process: what to run, with which configuration, and where its traces go. */
export interface ProgramPlan {
  /** Tells it from all others of its group: the program's, with a number where it is not the first of several. */
  readonly name: string;
  readonly program: ProgramName;
  /** Runs only while it takes the place of another. */
  readonly isSpare: boolean;
  readonly zone: string | null;
  /** Relative to the repository. */
  readonly entry: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly configFile: string;
  readonly logFile: string;
}

export const groupOf = ({ zone }: Pick<ProgramPlan, "zone">): string => zone ?? CATALOG_GROUP;

/** Every process of the federation, the catalog first, then zone by zone. */
export function planPrograms(federation: Federation): ProgramPlan[] {
  return [
    ...planCatalog(federation),
    ...federation.zones.flatMap((zone, index) => planZone(federation, zone, index)),
  ];
}

function planCatalog(federation: Federation): ProgramPlan[] {
  const { catalog, stateDirectory } = federation;
  const bootTokenFile = bootTokenOf(federation);
  switch (catalog.kind) {
    case "embedded": {
      const databaseFile = `${stateDirectory}/catalog/catalog.sqlite`;
      return [plan(federation, "catalog", null, { databaseFile, bootTokenFile })];
    }
    case "members": {
      const { etcd, clusterToken, passwordFile, members } = catalog;
      return members.map(({ zone }) => ({
        ...plan(federation, "catalog", zone, {
          zone,
          etcd,
          clusterToken,
          passwordFile,
          members,
          dataDirectory: memberDirectory(stateDirectory, zone),
          hasServedFile: hasServedFile(stateDirectory, zone),
        }),
        entry: "catalog/etcd-member/main.ts",
      }));
    }
    case "endpoints":
      return [];
  }
}

/** A member's data dies with its zone. */
export const memberDirectory = (stateDirectory: string, zone: string): string =>
  `${stateDirectory}/zones/${zone}/etcd`;

/** That a member has served is remembered outside its zone, so that one who lost its data is told from one that is new. */
export const hasServedFile = (stateDirectory: string, zone: string): string =>
  `${stateDirectory}/catalog/has-served/${zone}`;

function planZone(federation: Federation, zone: Zone, index: number): ProgramPlan[] {
  const home = `${federation.stateDirectory}/zones/${zone.name}`;
  const bootTokenFile = bootTokenOf(federation);
  const shared = { zone: zone.name, zones: federation.zones, bootTokenFile };
  const codeDirectory = `${home}/code`;
  const keyFile = keyEncryptionKeyFile(federation.stateDirectory);
  // Without SO_REUSEPORT only one process can hold the common port.
  const sharesPort = federation.hasReusePort || index === 0;
  return [
    plan(federation, "federator", zone.name, {
      ...shared,
      stateDirectory: `${home}/federator`,
      codeDirectory,
      catalog: catalogConfigOf(federation.catalog, zone.name),
      keyEncryptionKeyFile: keyFile,
      failover: federation.failover,
      acceptLargeRemovals: federation.acceptsCatalogLoss,
    }),
    plan(federation, "agent", zone.name, {
      ...shared,
      stateDirectory: `${home}/agent`,
      keyEncryptionKeyFile: keyFile,
      codeDirectory,
      idleMs: federation.idleMs,
      sharedFolders: [
        { path: drillLedgersOf(federation.stateDirectory), functions: DRILL_FUNCTIONS },
      ],
      instancesMax: INSTANCES_MAX,
    }),
    ...planGateways(federation, zone.name, {
      ...shared,
      publicPort: federation.basePort + 1 + index,
      sharedPort: sharesPort ? federation.basePort : 0,
      failover: federation.failover,
      trustedProxies: federation.trustedProxies,
      fastLane: federation.fastLane,
    }),
  ];
}

/** The zone's gateways, numbered from 1, and a place more for the one that replaces another: both run for a moment. */
function planGateways(
  federation: Federation,
  zone: string,
  config: Record<string, unknown>,
): ProgramPlan[] {
  const { stateDirectory, hasReusePort, workers } = federation;
  const places = Array.from({ length: hasReusePort ? workers + 1 : 1 }, (_, index) => index + 1);
  return places.map((worker) => {
    const name = worker === 1 ? "gateway" : `gateway.${worker}`;
    const its = {
      ...config,
      worker,
      workers,
      sharesPublicPort: hasReusePort,
      stateDirectory: `${stateDirectory}/zones/${zone}/${name}`,
    };
    return { ...plan(federation, "gateway", zone, its, name), isSpare: worker > workers };
  });
}

/** What secrets are encrypted under. Whoever has a backup of the rest of the state folder but not this file cannot read them. */
export const keyEncryptionKeyFile = (stateDirectory: string): string =>
  `${stateDirectory}/key-encryption-key`;

const bootTokenOf = ({ stateDirectory }: Federation): string => `${stateDirectory}/run/boot-token`;

const ENTRIES: Readonly<Record<ProgramName, string>> = {
  catalog: "catalog/main.ts",
  federator: "federator/main.ts",
  agent: "agents/main.ts",
  gateway: "gateway/main.ts",
};

function plan(
  { stateDirectory, logLevel }: Federation,
  program: ProgramName,
  zone: string | null,
  config: Record<string, unknown>,
  name: string = program,
): ProgramPlan {
  const fileName = zone === null ? name : `${zone}.${name}`;
  const runDirectory = `${stateDirectory}/run`;
  return {
    name,
    program,
    isSpare: false,
    zone,
    entry: ENTRIES[program],
    config: {
      ...config,
      runDirectory,
      logLevel,
    },
    configFile: `${runDirectory}/${fileName}.config.json`,
    logFile: `${stateDirectory}/logs/${fileName}.log`,
  };
}
