import type { FunctionView, QuotaView } from "#lib/contracts/api.ts";
import type { ClusterView, ZoneStatus } from "#lib/contracts/api-status.ts";
import {
  type AliasRecord,
  type FunctionRecord,
  type VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import { type GrantRecord, QUOTA_CODES, type QuotaRecord } from "#lib/contracts/quota-records.ts";
import {
  type ClusterRecord,
  type PlanInputRecord,
  type VerdictRecord,
} from "#lib/contracts/control-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import type { ZoneShares } from "#lib/contracts/operator-api.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { WHOLE } from "#lib/divide-grants.ts";
import { ANYWHERE } from "#lib/plan/placement-class.ts";
import type { PlanInputs } from "#lib/plan/plan-inputs.ts";
import { planShares } from "#lib/plan/plan-shares.ts";

/** The function as `live` has it, or, while there is no `live` yet, as its newest version has it; undefined without versions. */
export function viewFunction(
  record: FunctionRecord,
  aliases: readonly AliasRecord[],
  versions: readonly VersionRecord[],
): FunctionView | undefined {
  const live = aliases.find(({ alias }) => alias === LIVE_ALIAS);
  const shown = live?.version ?? record.latestVersion;
  const version = versions.find((candidate) => candidate.version === shown);
  if (version === undefined) return undefined;
  return {
    tenant: record.tenant,
    name: record.name,
    latestVersion: record.latestVersion,
    aliases: Object.fromEntries(aliases.map(({ alias, version: number }) => [alias, number])),
    manifest: version.manifest,
    codeDigest: version.codeDigest,
    updatedAtMs: Math.max(version.createdAtMs, ...aliases.map(({ updatedAtMs }) => updatedAtMs)),
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

/** What the catalog has decided on the zone's cluster, and how the federator that answers sees it itself. */
export function viewCluster(
  zone: Zone,
  verdict: VerdictRecord | undefined,
  planInput: PlanInputRecord | undefined,
  sight: NonNullable<ClusterView["sight"]>,
  operatorsWord: ClusterRecord | undefined,
): ClusterView {
  const { clusterId, name } = zone;
  const capacitySlots = planInput?.capacitySlots?.[clusterId];
  const isolationLevel = planInput?.isolationLevels?.[clusterId];
  const standing = {
    mode: operatorsWord?.mode ?? "in-service",
    ...(operatorsWord && { modeReason: operatorsWord.reason }),
    awaitsRelease: verdict?.state === "up" && isAwaiting(planInput, clusterId),
    ...(capacitySlots !== undefined && { capacitySlots }),
    ...(isolationLevel !== undefined && { isolationLevel }),
  };
  if (verdict === undefined)
    return {
      clusterId,
      zone: name,
      state: "unseen",
      weightPercent: 0,
      evidence: [],
      decidedAtMs: null,
      sight,
      ...standing,
    };
  return {
    clusterId,
    zone: name,
    state: verdict.state,
    weightPercent: verdict.state === "up" ? (planInput?.rampPercent[clusterId] ?? 100) : 0,
    evidence: verdict.evidence,
    decidedAtMs: verdict.decidedAtMs,
    sight,
    ...standing,
  };
}

const isAwaiting = (planInput: PlanInputRecord | undefined, clusterId: string): boolean =>
  planInput?.awaitsFailback?.includes(clusterId) ?? false;

/** Where the plan sends the calls of functions that may run anywhere. */
export const viewShares = (inputs: PlanInputs): ZoneShares[] =>
  [...planShares(inputs, ANYWHERE, new Set())].map(([zone, { critical, normal, batch }]) => ({
    zone,
    clusters: normal.clusters.map(({ clusterId, share }) => ({
      clusterId,
      percent: inPercent(share),
    })),
    shedPercent: {
      critical: inPercent(critical.shed),
      normal: inPercent(normal.shed),
      batch: inPercent(batch.shed),
    },
  }));

/** One decimal: more would say nothing. */
const inPercent = (share: number): number => Math.round(share * 1_000) / 10;

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
export const statusForTenant = (
  { isolation: _proof, codeTroubles: _code, ...status }: ZoneStatus,
  tenant: string,
): ZoneStatus => ({
  ...status,
  instances: status.instances.filter((instance) => instance.tenant === tenant),
});
