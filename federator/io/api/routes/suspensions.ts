import { Type } from "typebox";
import { TenantSuspension } from "#lib/contracts/api.ts";
import type { TenantRecord } from "#lib/contracts/catalog-records.ts";
import { Name } from "#lib/contracts/names.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { changeTenant } from "../change-tenant.ts";
import { untilEnforced } from "../commit-change.ts";

const TenantPath = Type.Object({ tenant: Name }, { additionalProperties: false });

/** Nothing of a suspended tenant is lost; its calls are refused until it is resumed. */
export function suspensionRoutes(api: Api, ports: ApiPorts): void {
  const { clock } = ports;

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
        const revision = await changeTenant(ports, request, {
          tenant,
          action: `tenants.${verb}`,
          change: (record) => withSuspension(record, isSuspended, clock.wallMs()),
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
