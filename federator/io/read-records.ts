import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import {
  AliasRecord,
  ApiKeyRecord,
  ChangeRecord,
  FunctionRecord,
  GrantRecord,
  LeaderRecord,
  PlanInputRecord,
  QuotaRecord,
  QuotaRequestRecord,
  TenantRecord,
  VerdictRecord,
  VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import type { Held } from "../core/transactions.ts";

/** Undefined for what is absent or does not fit its schema. */
export type ReadRecord<T> = (record: CatalogRecord | undefined) => Held<T> | undefined;

export const readTenant = reader<TenantRecord>(TenantRecord);
export const readApiKey = reader<ApiKeyRecord>(ApiKeyRecord);
export const readFunction = reader<FunctionRecord>(FunctionRecord);
export const readVersion = reader<VersionRecord>(VersionRecord);
export const readAlias = reader<AliasRecord>(AliasRecord);
export const readQuota = reader<QuotaRecord>(QuotaRecord);
export const readQuotaRequest = reader<QuotaRequestRecord>(QuotaRequestRecord);
export const readGrant = reader<GrantRecord>(GrantRecord);
export const readVerdict = reader<VerdictRecord>(VerdictRecord);
export const readPlanInput = reader<PlanInputRecord>(PlanInputRecord);
export const readLeader = reader<LeaderRecord>(LeaderRecord);
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

function reader<T>(schema: TSchema): ReadRecord<T> {
  const compiled = Compile(schema);
  // A replica hands out the same record object until it changes: each is parsed once.
  const known = new WeakMap<CatalogRecord, Held<T> | null>();
  return (record) => {
    if (record === undefined) return undefined;
    const before = known.get(record);
    if (before !== undefined) return before ?? undefined;
    const candidate = parseJson(record.value);
    const held = compiled.Check(candidate)
      ? { value: candidate as T, modRevision: record.modRevision }
      : null;
    known.set(record, held);
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
