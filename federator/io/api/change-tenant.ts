import type { FastifyRequest } from "fastify";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ChangeRecord, TenantRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { modifiedAt, put } from "../../core/transactions.ts";
import { fetchRecord, readTenant } from "../read-records.ts";
import { type ApiPorts, changeBy } from "./api-context.ts";
import { commitChange } from "./commit-change.ts";

export interface TenantChange {
  readonly tenant: string;
  readonly action: string;
  readonly detail?: ChangeRecord["detail"];
  readonly change: (record: TenantRecord) => TenantRecord;
}

/** The revision in which the tenant's record is the changed one. */
export async function changeTenant(
  ports: Pick<ApiPorts, "catalog" | "clock">,
  request: Pick<FastifyRequest, "id" | "caller">,
  { tenant, action, detail, change }: TenantChange,
): Promise<number> {
  const { catalog, clock } = ports;
  const key = keys.tenant(tenant);
  const { revision } = await commitChange(ports, async () => {
    const held = readTenant(await fetchRecord(catalog, key));
    if (held === undefined)
      throw new MeridianError("MERIDIAN_NOT_FOUND", `There is no tenant ${tenant}.`);
    return {
      transaction: {
        compares: [modifiedAt(key, held)],
        operations: [put(key, change(held.value))],
      },
      change: changeBy(request, action, tenant, `tenants/${tenant}`, clock.wallMs(), detail),
      outcome: undefined,
    };
  });
  return revision;
}
