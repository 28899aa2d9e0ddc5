import type {
  AliasRecord,
  ApiKeyRecord,
  FunctionRecord,
  RolloutRecord,
  TenantRecord,
  VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import type { QuotaRecord } from "#lib/contracts/quota-records.ts";
import type {
  ClusterRecord,
  PlanInputRecord,
  ShiftRecord,
  VerdictRecord,
} from "#lib/contracts/control-records.ts";

/** The records of one position, parsed; what is absent or unreadable is undefined. */
export interface RecordReader {
  readonly tenant: (tenant: string) => TenantRecord | undefined;
  readonly quota: (tenant: string) => QuotaRecord | undefined;
  readonly apiKey: (keyHash: string) => ApiKeyRecord | undefined;
  readonly function: (tenant: string, functionName: string) => FunctionRecord | undefined;
  readonly aliases: (tenant: string, functionName: string) => readonly AliasRecord[];
  readonly rollouts: (tenant: string, functionName: string) => readonly RolloutRecord[];
  readonly version: (
    tenant: string,
    functionName: string,
    version: number,
  ) => VersionRecord | undefined;
  readonly verdict: (clusterId: string) => VerdictRecord | undefined;
  readonly planInput: () => PlanInputRecord | undefined;
  readonly cluster: (clusterId: string) => ClusterRecord | undefined;
  /** In the order of their ids. */
  readonly shifts: () => readonly ShiftRecord[];
}
