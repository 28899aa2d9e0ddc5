import { hashApiKey } from "#lib/api-key.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Principal } from "../../core/authorize.ts";
import type { Replica } from "../../ports.ts";
import { readApiKey } from "../read-records.ts";

export interface Caller extends Principal {
  readonly keyPrefix: string;
}

/** Longer than any key of ours; more is not worth hashing. */
const KEY_LENGTH_MAX = 256;

/** Whose key this is. An unknown, a malformed and a missing key are one and the same MERIDIAN_UNAUTHENTICATED. */
export function authenticate(replica: Replica, authorization: string | undefined): Caller {
  const apiKey = /^Bearer +([^\s]+)$/i.exec(authorization ?? "")?.[1];
  if (apiKey === undefined || apiKey.length > KEY_LENGTH_MAX) throw unauthenticated();
  const key = readApiKey(replica.get(keys.apiKey(hashApiKey(apiKey))))?.value;
  if (key === undefined) throw unauthenticated();
  return {
    tenant: key.tenant,
    roles: key.roles,
    keyPrefix: key.prefix,
    // The prefix is for people; the part of the hash tells apart keys that begin alike.
    actor: `${key.prefix}… (${key.keyHash.slice(0, 12)})`,
  };
}

const unauthenticated = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_UNAUTHENTICATED",
    "Send a valid API key as `Authorization: Bearer KEY`.",
  );
