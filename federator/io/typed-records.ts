import { functionPrefix, keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { GrantRecord, ZoneSessionRecord } from "#lib/contracts/quota-records.ts";
import type { LeaderRecord, PlanInputRecord } from "#lib/contracts/control-records.ts";
import type { RecordReader } from "../core/record-reader.ts";
import type { Held } from "../core/transactions.ts";
import type { Replica } from "../ports.ts";
import {
  readAlias,
  readApiKey,
  readCluster,
  readEach,
  readFunction,
  readGrant,
  readLeader,
  readZoneSession,
  readPlanInput,
  readQuota,
  readRollout,
  readShift,
  readTenant,
  readVerdict,
  readVersion,
  valuesOf,
} from "./read-records.ts";

export interface TypedRecords extends RecordReader {
  readonly grants: () => readonly Held<GrantRecord>[];
  readonly leader: () => LeaderRecord | undefined;
  readonly zoneSession: (zone: string) => ZoneSessionRecord | undefined;
  readonly planInputHeld: () => Held<PlanInputRecord> | undefined;
}

/** The replica's records, parsed; one that does not fit its schema is left out. */
export function typedRecords(replica: Pick<Replica, "get" | "list">): TypedRecords {
  const { get, list } = replica;
  return {
    tenant: (tenant) => readTenant(get(keys.tenant(tenant)))?.value,
    quota: (tenant) => readQuota(get(keys.quota(tenant)))?.value,
    apiKey: (keyHash) => readApiKey(get(keys.apiKey(keyHash)))?.value,
    function: (tenant, name) => readFunction(get(keys.function(tenant, name)))?.value,
    aliases: (tenant, name) => valuesOf(list(functionPrefix("aliases", tenant, name)), readAlias),
    rollouts: (tenant, name) =>
      valuesOf(list(functionPrefix("rollouts", tenant, name)), readRollout),
    version: (tenant, name, version) =>
      readVersion(get(keys.version(tenant, name, version)))?.value,
    verdict: (clusterId) => readVerdict(get(keys.verdict(clusterId)))?.value,
    cluster: (clusterId) => readCluster(get(keys.cluster(clusterId)))?.value,
    shifts: () => valuesOf(list(prefixes.shifts), readShift),
    planInput: () => readPlanInput(get(keys.planInput()))?.value,
    planInputHeld: () => readPlanInput(get(keys.planInput())),
    zoneSession: (zone) => readZoneSession(get(keys.zoneSession(zone)))?.value,
    leader: () => readLeader(get(keys.leader()))?.value,
    grants: () => readEach(list(prefixes.grants), readGrant),
  };
}
