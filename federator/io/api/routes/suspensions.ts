import { Type } from "typebox";
import { TenantSuspension } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { TenantRecord } from "#lib/contracts/catalog-records.ts";
import { Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { modifiedAt, put } from "../../../core/transactions.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchRecord, readTenant } from "../../read-records.ts";

const TenantPath = Type.Object({ tenant: Name }, { additionalProperties: false });

/** Nothing of a suspended tenant is lost; its calls are refused until it is resumed. */
export function suspensionRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, clock } = ports;

  for (const verb of ["suspend", "resume"] as const)
    api.post(
      `/v1/tenants/:tenant(^[^:]+)::${verb}`,
      {
        config: { action: "tenants.suspend" },
        schema: { params: TenantPath, response: { 200: TenantSuspension } },
      },
      async (request): Promise<TenantSuspension> => {
        const { tenant } = request.params;
        const isSuspended = verb === "suspend";
        const { revision } = await commitChange(ports, async () => {
          const held = readTenant(await fetchRecord(catalog, keys.tenant(tenant)));
          if (held === undefined)
            throw new MeridianError("MERIDIAN_NOT_FOUND", `There is no tenant ${tenant}.`);
          return {
            transaction: {
              compares: [modifiedAt(keys.tenant(tenant), held)],
              operations: [
                put(keys.tenant(tenant), withSuspension(held.value, isSuspended, clock.wallMs())),
              ],
            },
            change: changeBy(
              request,
              `tenants.${verb}`,
              tenant,
              `tenants/${tenant}`,
              clock.wallMs(),
            ),
            outcome: undefined,
          };
        });
        const enforced = await untilEnforced(
          ports,
          revision,
          isSuspended ? "withdrawal" : "everybody",
        );
        return { tenant, isSuspended, enforced };
      },
    );
}

/** Suspended twice, it has been suspended since the first time. */
function withSuspension(
  { suspendedAtMs, ...record }: TenantRecord,
  isSuspended: boolean,
  wallMs: number,
): TenantRecord {
  return isSuspended ? { ...record, suspendedAtMs: suspendedAtMs ?? wallMs } : record;
}
