import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import {
  AliasRecord,
  ApiKeyRecord,
  ChangeRecord,
  FormerFunctionRecord,
  FunctionRecord,
  RolloutRecord,
  SecretNameRecord,
  SecretRecord,
  TenantRecord,
  VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import {
  GrantRecord,
  QuotaRecord,
  QuotaRequestRecord,
  ZoneSessionRecord,
} from "#lib/contracts/quota-records.ts";
import {
  ClusterRecord,
  LeaderRecord,
  PlanInputRecord,
  ShiftRecord,
  VerdictRecord,
} from "#lib/contracts/control-records.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import type { Held } from "../core/transactions.ts";

/** Undefined for what is absent or does not fit its schema. */
export type ReadRecord<T> = (record: CatalogRecord | undefined) => Held<T> | undefined;

export const readTenant = reader<TenantRecord>(TenantRecord);
export const readApiKey = reader<ApiKeyRecord>(ApiKeyRecord);
export const readFunction = reader<FunctionRecord>(FunctionRecord);
export const readFormerFunction = reader<FormerFunctionRecord>(FormerFunctionRecord);
export const readVersion = reader<VersionRecord>(VersionRecord);
export const readAlias = reader<AliasRecord>(AliasRecord);
export const readRollout = reader<RolloutRecord>(RolloutRecord);
export const readSecretName = reader<SecretNameRecord>(SecretNameRecord);
export const readSecret = reader<SecretRecord>(SecretRecord);
export const readQuota = reader<QuotaRecord>(QuotaRecord);
export const readQuotaRequest = reader<QuotaRequestRecord>(QuotaRequestRecord);
export const readGrant = reader<GrantRecord>(GrantRecord);
export const readVerdict = reader<VerdictRecord>(VerdictRecord);
export const readPlanInput = reader<PlanInputRecord>(PlanInputRecord);
export const readCluster = reader<ClusterRecord>(ClusterRecord);
export const readShift = reader<ShiftRecord>(ShiftRecord);
export const readLeader = reader<LeaderRecord>(LeaderRecord);
export const readZoneSession = reader<ZoneSessionRecord>(ZoneSessionRecord);
export const readChange = reader<ChangeRecord>(ChangeRecord);

export const readEach = <T>(records: readonly CatalogRecord[], read: ReadRecord<T>): Held<T>[] =>
  records.map(read).filter((held) => held !== undefined);

export const valuesOf = <T>(records: readonly CatalogRecord[], read: ReadRecord<T>): T[] =>
  readEach(records, read).map(({ value }) => value);

/** The newest record of the key, from the catalog itself. */
export async function fetchRecord(
  catalog: Catalog,
  key: string,
  signal?: AbortSignal,
): Promise<CatalogRecord | undefined> {
  // The key itself is the first of all that begin with it.
  const result = await catalog.range({ prefix: key, limit: 1 }, signal);
  if (result.kind === "compacted") return undefined;
  return result.records.find((record) => record.key === key);
}

/** The newest records with the prefix; meant for prefixes with a bounded number of records, one page of them. */
export async function fetchRecords(
  catalog: Catalog,
  prefix: string,
): Promise<readonly CatalogRecord[]> {
  const result = await catalog.range({ prefix, limit: 2_000 });
  return result.kind === "compacted" ? [] : result.records;
}

/** So many records of each kind are parsed once; the hot ones are far fewer, and scans pass through. */
const PARSED_MAX = 4_096;

function reader<T>(schema: TSchema): ReadRecord<T> {
  const compiled = Compile(schema);
  // By key and text: revisions begin anew in another incarnation.
  const parsed = new Map<
    string,
    { readonly record: CatalogRecord; readonly held: Held<T> | null }
  >();
  return (record) => {
    if (record === undefined) return undefined;
    const before = parsed.get(record.key);
    const isSame =
      before?.record.modRevision === record.modRevision && before.record.value === record.value;
    if (isSame) return before.held ?? undefined;
    const candidate = parseJson(record.value);
    const held = compiled.Check(candidate)
      ? { value: candidate as T, modRevision: record.modRevision }
      : null;
    // The oldest is the first; one that was changed takes its place at the end.
    parsed.delete(record.key);
    const [oldest] = parsed.size < PARSED_MAX ? [] : parsed.keys();
    if (oldest !== undefined) parsed.delete(oldest);
    parsed.set(record.key, { record, held });
    return held ?? undefined;
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
