import { prefixes } from "#lib/contracts/catalog-keys.ts";

/**
 * What people made and nobody can make again. Everything else the programs write anew from what they see, and so it follows the
 * catalog wherever that goes.
 */
const LASTING_PREFIXES: readonly string[] = [
  prefixes.tenants,
  prefixes.apiKeys,
  prefixes.functions,
  prefixes.formerFunctions,
  prefixes.versions,
  prefixes.aliases,
  prefixes.rollouts,
  prefixes.secretNames,
  prefixes.secrets,
  prefixes.quotas,
  prefixes.quotaRequests,
  prefixes.clusters,
];

export const isLasting = (key: string): boolean =>
  LASTING_PREFIXES.some((prefix) => key.startsWith(prefix));

/** Without its tenant's grant a zone may admit nothing, so a grant that is gone altogether is kept like the tenant. */
export const isKeptWhenAbsent = (key: string): boolean =>
  isLasting(key) || key.startsWith(prefixes.grants);
