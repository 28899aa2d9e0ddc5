/*
 * The one place that knows how records are laid out in the catalog. Every key starts with its kind, so that a prefix is a
 * kind and a longer prefix is everything of one tenant or function.
 */
export const keys = {
  federation: () => "federation",
  tenant: (tenant: string) => `tenants/${tenant}`,
  apiKey: (keyHash: string) => `api-keys/${keyHash}`,
  function: (tenant: string, functionName: string) => `functions/${tenant}/${functionName}`,
  /** What is left of a deleted function, so that its version numbers are never given out again. */
  formerFunction: (tenant: string, functionName: string) =>
    `former-functions/${tenant}/${functionName}`,
  /** Zero-padded, so that the order of keys is the order of versions. */
  version: (tenant: string, functionName: string, version: number) =>
    `versions/${tenant}/${functionName}/${String(version).padStart(10, "0")}`,
  alias: (tenant: string, functionName: string, alias: string) =>
    `aliases/${tenant}/${functionName}/${alias}`,
  /** The key of the alias it moves: one rollout at a time. */
  rollout: (tenant: string, functionName: string, alias: string) =>
    `rollouts/${tenant}/${functionName}/${alias}`,
  secretName: (tenant: string, name: string) => `secret-names/${tenant}/${name}`,
  /** Zero-padded as versions are; the newest is the last. */
  secret: (tenant: string, name: string, revision: number) =>
    `secrets/${tenant}/${name}/${String(revision).padStart(10, "0")}`,
  quota: (tenant: string) => `quotas/${tenant}`,
  quotaRequest: (id: string) => `quota-requests/${id}`,
  /** Holds the id of the tenant's one open request for the quota; gone once it is decided. */
  openQuotaRequest: (tenant: string, quotaCode: string) =>
    `open-quota-requests/${tenant}/${quotaCode}`,
  grant: (tenant: string) => `grants/${tenant}`,
  zoneSession: (zone: string) => `zone-sessions/${zone}`,
  verdict: (clusterId: string) => `verdicts/${clusterId}`,
  cluster: (clusterId: string) => `clusters/${clusterId}`,
  shift: (id: string) => `shifts/${id}`,
  /** Rewritten by whoever adds a shift, so that of two at the same moment the second counts again. */
  shiftGuard: () => "shift-guard",
  leader: () => "leader",
  planInput: () => "plan-input",
  /** Overwritten by each change; its history is the audit. */
  change: () => "change",
} as const;

export const prefixes = {
  tenants: "tenants/",
  apiKeys: "api-keys/",
  functions: "functions/",
  formerFunctions: "former-functions/",
  versions: "versions/",
  aliases: "aliases/",
  rollouts: "rollouts/",
  secretNames: "secret-names/",
  secrets: "secrets/",
  quotas: "quotas/",
  quotaRequests: "quota-requests/",
  grants: "grants/",
  zoneSessions: "zone-sessions/",
  verdicts: "verdicts/",
  clusters: "clusters/",
  shifts: "shifts/",
} as const;

/** Everything of one function, by kind: `functionPrefix("versions", "demo", "hello")`. */
export const functionPrefix = (
  kind: "versions" | "aliases" | "rollouts",
  tenant: string,
  functionName: string,
) => `${kind}/${tenant}/${functionName}/`;
