import type {
  AliasRecord,
  ApiKeyRecord,
  FunctionRecord,
  PlanInputRecord,
  QuotaRecord,
  TenantRecord,
  VerdictRecord,
  VersionRecord,
} from "#lib/contracts/catalog-records.ts";

/** The records of one position, parsed; what is absent or unreadable is undefined. */
export interface RecordReader {
  readonly tenant: (tenant: string) => TenantRecord | undefined;
  readonly quota: (tenant: string) => QuotaRecord | undefined;
  readonly apiKey: (keyHash: string) => ApiKeyRecord | undefined;
  readonly function: (tenant: string, functionName: string) => FunctionRecord | undefined;
  readonly aliases: (tenant: string, functionName: string) => readonly AliasRecord[];
  readonly version: (
    tenant: string,
    functionName: string,
    version: number,
  ) => VersionRecord | undefined;
  readonly verdict: (clusterId: string) => VerdictRecord | undefined;
  readonly planInput: () => PlanInputRecord | undefined;
}
