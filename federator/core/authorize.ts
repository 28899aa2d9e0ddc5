import type { Role } from "#lib/contracts/catalog-records.ts";

/** Who calls, as the key's record says; `actor` is what the audit calls them. */
export interface Principal {
  readonly tenant: string | null;
  readonly roles: readonly Role[];
  readonly actor: string;
}

interface ActionRule {
  /** Whether the action belongs to one tenant, or to the federation. */
  readonly scope: "tenant" | "federation";
  readonly isWrite: boolean;
  readonly roles: readonly Role[];
}

const READERS = ["tenant-reader", "tenant-admin", "operator"] as const;
const WRITERS = ["tenant-admin", "operator"] as const;
const EVERYONE = ["tenant-reader", "tenant-admin", "approver", "operator", "drill-runner"] as const;

const read = (roles: readonly Role[]) => ({ scope: "tenant", isWrite: false, roles }) as const;
const write = (roles: readonly Role[]) => ({ scope: "tenant", isWrite: true, roles }) as const;
const look = (roles: readonly Role[]) => ({ scope: "federation", isWrite: false, roles }) as const;
const rule = (roles: readonly Role[]) => ({ scope: "federation", isWrite: true, roles }) as const;

/** What can be done through the management API, and which roles may. */
export const ACTIONS = {
  "whoami.read": look(EVERYONE),
  "tenants.list": look(["operator"]),
  "tenants.create": rule(["operator"]),
  "tenants.suspend": write(["operator"]),
  "tenants.home": write(["operator"]),
  "keys.read": read(WRITERS),
  "keys.create": write(WRITERS),
  "keys.revoke": write(WRITERS),
  "code.upload": write(WRITERS),
  "functions.read": read(READERS),
  "functions.deploy": write(WRITERS),
  "functions.delete": write(WRITERS),
  "versions.delete": write(WRITERS),
  "aliases.move": write(WRITERS),
  "aliases.delete": write(WRITERS),
  "rollouts.start": write(WRITERS),
  "rollouts.cancel": write(WRITERS),
  "secrets.read": read(READERS),
  "secrets.change": write(WRITERS),
  "logs.read": read(READERS),
  "quotas.read": read([...READERS, "approver"]),
  "quota-requests.read": read([...READERS, "approver"]),
  "quota-requests.create": write(WRITERS),
  "quota-requests.cancel": write(WRITERS),
  "quota-requests.decide": write(["approver"]),
  "quota-requests.list": look(EVERYONE),
  "clusters.read": look(EVERYONE),
  "clusters.change": rule(["operator"]),
  "shifts.read": look(["operator"]),
  "shifts.change": rule(["operator"]),
  "status.read": look(EVERYONE),
  "isolation.read": look(["operator"]),
  "catalog.read": look(["operator"]),
  "catalog.recover": rule(["operator"]),
  "catalog.discard": rule(["operator"]),
  "catalog.accept": rule(["operator"]),
  "audit.read": look(EVERYONE),
  "usage.read": look(READERS),
} as const satisfies Record<string, ActionRule>;

export type Action = keyof typeof ACTIONS;

/** `hidden`: the caller must not learn whether the thing exists; answered as if it did not. */
export type Authorization =
  | { readonly kind: "allowed" }
  | { readonly kind: "hidden" }
  | { readonly kind: "forbidden"; readonly reason: string };

/**
 * May this key do that? `tenant` is whose thing it is, `undefined` for the federation's; a key of a tenant sees nothing of
 * the other tenants and decides on no quota, whatever its roles say.
 */
export function authorize(
  principal: Principal,
  action: Action,
  tenant: string | undefined,
): Authorization {
  if (tenant !== undefined && principal.tenant !== null && principal.tenant !== tenant)
    return { kind: "hidden" };
  const { roles }: ActionRule = ACTIONS[action];
  if (!principal.roles.some((role) => roles.includes(role)))
    return { kind: "forbidden", reason: `it needs one of the roles ${roles.join(", ")}` };
  if (action === "quota-requests.decide" && principal.tenant !== null)
    return { kind: "forbidden", reason: "quota requests are decided by keys of no tenant" };
  return { kind: "allowed" };
}

/** Whose things lists may show: `null` means everyone's. Anything but an operator or approver without tenant sees its own. */
export function visibleTenant(principal: Principal): string | null | undefined {
  if (principal.tenant !== null) return principal.tenant;
  return principal.roles.includes("operator") || principal.roles.includes("approver")
    ? null
    : undefined;
}
