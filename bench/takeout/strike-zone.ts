import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Value } from "typebox/value";
import { CatalogConfig } from "#lib/contracts/catalog-config.ts";
import { Credentials } from "#lib/contracts/run-endpoint.ts";
import { etcdMaintenance } from "#lib/io/etcd/etcd-maintenance.ts";
import { readEtcdConnection } from "#lib/io/open-catalog.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { BenchFederation } from "../start-federation.ts";

/** Every process of the zone, launcher, instances and catalog member included. */
export async function processesOf({ state }: BenchFederation, zone: string): Promise<number[]> {
  const text = await readFile(join(state, "credentials.json"), "utf8");
  return Value.Parse(Credentials, JSON.parse(text)).zones[zone]?.pids ?? [];
}

/** What must hang so that nobody can write: the catalog's process, or the members in all zones but the one that dies anyway. */
export async function catalogProcesses(
  federation: BenchFederation,
  besides: string,
): Promise<number[]> {
  const catalogs = (await readEndpoints(join(federation.state, "run"))).filter(
    ({ program, zone }) => program === "catalog" && zone !== besides,
  );
  const pids = await Promise.all(
    catalogs.map(async ({ zone, pid }) => (zone === null ? pid : memberOf(federation, zone))),
  );
  return pids;
}

/** The etcd that the zone's catalog program runs. */
async function memberOf({ state }: BenchFederation, zone: string): Promise<number> {
  const folder: unknown = await readJson(join(state, "run", `${zone}.catalog.config.json`));
  const dataDirectory = property(folder, "dataDirectory");
  const pid = property(await readJson(`${String(dataDirectory)}.process.json`), "pid");
  if (typeof pid !== "number") throw new Error(`${zone} has no etcd`);
  return pid;
}

/** The zone whose member leads the etcd; undefined where the catalog has no members. */
export async function catalogLeader(
  { state }: BenchFederation,
  zones: readonly string[],
): Promise<string | undefined> {
  const [anyZone = ""] = zones;
  const config = await readJson(join(state, "run", `${anyZone}.federator.config.json`));
  const catalog = property(config, "catalog");
  if (!Value.Check(CatalogConfig, catalog) || catalog.kind !== "etcd") return undefined;
  const members = await etcdMaintenance(await readEtcdConnection(catalog), systemClock).members();
  const leading = members.find((member) => member.kind === "answered" && member.isLeader);
  const endpoints = await readEndpoints(join(state, "run"));
  const its = endpoints.find(({ urls }) => urls.internal === leading?.endpoint);
  return its?.zone ?? undefined;
}

const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, "utf8"));

const property = (document: unknown, name: string): unknown =>
  typeof document === "object" && document !== null
    ? Object.entries(document).find(([key]) => key === name)?.[1]
    : undefined;
