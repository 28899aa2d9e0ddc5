import { MeridianError } from "#lib/errors.ts";
import { visibleTenant } from "../../core/authorize.ts";

/** Whose things are shown: null means everyone's. A key of a tenant that asks for another's gets the answer for what is not there. */
export function askedTenant(
  caller: Parameters<typeof visibleTenant>[0],
  asked: string | undefined,
  subject: string,
): string | null {
  const visible = visibleTenant(caller);
  if (visible === undefined)
    throw new MeridianError("MERIDIAN_FORBIDDEN", `This key may not read the ${subject}.`);
  if (visible === null) return asked ?? null;
  if (asked !== undefined && asked !== visible)
    throw new MeridianError(
      "MERIDIAN_NOT_FOUND",
      `There is no tenant ${JSON.stringify(asked)} for this key; leave the tenant out to see your own.`,
    );
  return visible;
}
