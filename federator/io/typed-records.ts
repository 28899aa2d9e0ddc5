import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { functionPrefix, keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import {
  AliasRecord,
  ApiKeyRecord,
  FunctionRecord,
  GrantRecord,
  LeaderRecord,
  PlanInputRecord,
  QuotaRecord,
  TenantRecord,
  VerdictRecord,
  VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { RecordReader } from "../core/record-reader.ts";
import type { Replica } from "../ports.ts";

/** A parsed record and the revision that wrote it, for the compare of the next write. */
export interface Revised<T> {
  readonly value: T;
  readonly revision: number;
}

export interface TypedRecords extends RecordReader {
  readonly grants: () => readonly Revised<GrantRecord>[];
  readonly leader: () => LeaderRecord | undefined;
}

/** The replica's records, parsed; each record object is parsed once, and one that does not fit its schema is left out. */
export function typedRecords(replica: Pick<Replica, "get" | "list">): TypedRecords {
  const one =
    <T>(parse: Parser<T>) =>
    (key: string): T | undefined => {
      const record = replica.get(key);
      return record && parse(record);
    };
  const tenant = one(parser<TenantRecord>(TenantRecord));
  const quota = one(parser<QuotaRecord>(QuotaRecord));
  const apiKey = one(parser<ApiKeyRecord>(ApiKeyRecord));
  const functionRecord = one(parser<FunctionRecord>(FunctionRecord));
  const version = one(parser<VersionRecord>(VersionRecord));
  const verdict = one(parser<VerdictRecord>(VerdictRecord));
  const planInput = one(parser<PlanInputRecord>(PlanInputRecord));
  const leader = one(parser<LeaderRecord>(LeaderRecord));
  const parseAlias = parser<AliasRecord>(AliasRecord);
  const parseGrant = parser<GrantRecord>(GrantRecord);
  return {
    tenant: (name) => tenant(keys.tenant(name)),
    quota: (name) => quota(keys.quota(name)),
    apiKey: (keyHash) => apiKey(keys.apiKey(keyHash)),
    function: (owner, name) => functionRecord(keys.function(owner, name)),
    aliases: (owner, name) =>
      replica
        .list(functionPrefix("aliases", owner, name))
        .map(parseAlias)
        .filter((record) => record !== undefined),
    version: (owner, name, number) => version(keys.version(owner, name, number)),
    verdict: (clusterId) => verdict(keys.verdict(clusterId)),
    planInput: () => planInput(keys.planInput()),
    leader: () => leader(keys.leader()),
    grants: () =>
      replica.list(prefixes.grants).flatMap((record) => {
        const value = parseGrant(record);
        return value === undefined ? [] : [{ value, revision: record.modRevision }];
      }),
  };
}

type Parser<T> = (record: CatalogRecord) => T | undefined;

function parser<T>(schema: TSchema): Parser<T> {
  const compiled = Compile(schema);
  const known = new WeakMap<CatalogRecord, { readonly value: T | undefined }>();
  return (record) => {
    const before = known.get(record);
    if (before !== undefined) return before.value;
    const candidate = parseJson(record.value);
    const value = compiled.Check(candidate) ? (candidate as T) : undefined;
    known.set(record, { value });
    return value;
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
