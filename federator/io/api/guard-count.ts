import { keys } from "#lib/contracts/catalog-keys.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import { deadline } from "#lib/deadline.ts";
import { modifiedAt, put } from "../../core/transactions.ts";
import { fetchRecord, readTenant } from "../read-records.ts";
import type { ApiPorts } from "./api-context.ts";
import { noSuchTenant } from "./guard-request.ts";

const CATCH_UP_MS = 5_000;

/**
 * For what a tenant may have only so much of, counted on this zone's replica: whoever adds one puts this into the transaction, and so
 * rewrites the tenant's record as it is. Then the replica knows all that were added before, and of two at once the second counts again.
 */
export async function guardCount(
  { catalog, replica, clock }: Pick<ApiPorts, "catalog" | "replica" | "clock">,
  tenant: string,
): Promise<Transaction> {
  const key = keys.tenant(tenant);
  const held = readTenant(await fetchRecord(catalog, key));
  if (held === undefined) throw noSuchTenant(tenant);
  await catchUp({ replica, clock }, held.modRevision);
  return { compares: [modifiedAt(key, held)], operations: [put(key, held.value)] };
}

/** Until the replica has the revision; MERIDIAN_CATALOG_UNAVAILABLE where it does not come. */
export async function catchUp(
  { replica, clock }: Pick<ApiPorts, "replica" | "clock">,
  revision: number,
): Promise<void> {
  using limit = deadline(clock, CATCH_UP_MS);
  try {
    await replica.waitFor(revision, limit.signal);
  } catch (cause) {
    throw new MeridianError(
      "MERIDIAN_CATALOG_UNAVAILABLE",
      "This zone's replica is behind the catalog, so that it cannot tell what there is already; try again, or in another zone.",
      { cause },
    );
  }
}
