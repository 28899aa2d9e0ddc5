import type { ClusterView, FunctionView, QuotaView, ZoneStatus } from "#lib/contracts/api.ts";
import {
  type AliasRecord,
  type FunctionRecord,
  type GrantRecord,
  type PlanInputRecord,
  QUOTA_CODES,
  type QuotaRecord,
  type VerdictRecord,
  type VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { WHOLE } from "#lib/divide-grants.ts";

/** The function as `live` has it; undefined where `live` does not lead to a version. */
export function viewFunction(
  record: FunctionRecord,
  aliases: readonly AliasRecord[],
  versions: readonly VersionRecord[],
): FunctionView | undefined {
  const live = aliases.find(({ alias }) => alias === LIVE_ALIAS);
  const version = versions.find((candidate) => candidate.version === live?.version);
  if (live === undefined || version === undefined) return undefined;
  return {
    tenant: record.tenant,
    name: record.name,
    latestVersion: record.latestVersion,
    aliases: Object.fromEntries(aliases.map(({ alias, version: number }) => [alias, number])),
    manifest: version.manifest,
    codeDigest: version.codeDigest,
    updatedAtMs: Math.max(...aliases.map(({ updatedAtMs }) => updatedAtMs)),
  };
}

/** Rate and burst are one limit for the federation, shared out; concurrency holds in each zone by itself. */
export function viewQuotas(quota: QuotaRecord, grants: GrantRecord | undefined): QuotaView[] {
  const shares = Object.fromEntries(
    Object.entries(grants?.zones ?? {}).map(([zone, { floorMillionths, leaseMillionths }]) => [
      zone,
      // Two decimals: more would say nothing.
      Math.round(((floorMillionths + leaseMillionths) / WHOLE) * 10_000) / 100,
    ]),
  );
  return QUOTA_CODES.map((quotaCode) => {
    const value = quota.limits[quotaCode];
    return quotaCode === "concurrency"
      ? { quotaCode, value, scope: "zone", zoneSharePercent: {} }
      : { quotaCode, value, scope: "federation", zoneSharePercent: shares };
  });
}

/** What the catalog has decided on the zone's cluster. */
export function viewCluster(
  zone: Zone,
  verdict: VerdictRecord | undefined,
  planInput: PlanInputRecord | undefined,
): ClusterView {
  const { clusterId, name } = zone;
  if (verdict === undefined)
    return {
      clusterId,
      zone: name,
      state: "unseen",
      weightPercent: 0,
      evidence: [],
      decidedAtMs: null,
    };
  return {
    clusterId,
    zone: name,
    state: verdict.state,
    weightPercent: verdict.state === "up" ? (planInput?.rampPercent[clusterId] ?? 100) : 0,
    evidence: verdict.evidence,
    decidedAtMs: verdict.decidedAtMs,
  };
}

/** A zone whose federator did not answer: only what the catalog says of its cluster is known. */
export const silentZoneStatus = (zone: Zone, cluster: ClusterView): ZoneStatus => ({
  zone: zone.name,
  region: zone.region,
  clusterId: zone.clusterId,
  isReachable: false,
  cluster,
  position: null,
  replicaAgeMs: null,
  receivers: [],
  instances: [],
});

/** A tenant sees the state of the zones and, of what runs there, its own. */
export const statusForTenant = (status: ZoneStatus, tenant: string): ZoneStatus => ({
  ...status,
  instances: status.instances.filter((instance) => instance.tenant === tenant),
});
