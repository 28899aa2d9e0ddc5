import { MeridianError } from "#lib/errors.ts";

/** Of the uploads that a zone takes in at the same time, so that one tenant leaves room for the others. */
const UPLOADS_A_TENANT_MAX = 3;

/** Runs uploads, no more than so many of a tenant at once; the next one is told to come again. */
export function limitUploads(): <T>(tenant: string, upload: () => Promise<T>) => Promise<T> {
  const underWay = new Map<string, number>();
  return async (tenant, upload) => {
    const others = underWay.get(tenant) ?? 0;
    if (others >= UPLOADS_A_TENANT_MAX)
      throw new MeridianError(
        "MERIDIAN_CONCURRENCY_LIMITED",
        `${UPLOADS_A_TENANT_MAX} uploads of the tenant ${tenant} are under way in this zone, as many as it may have at once; send yours when one of them has ended.`,
      );
    underWay.set(tenant, others + 1);
    try {
      return await upload();
    } finally {
      const left = (underWay.get(tenant) ?? 1) - 1;
      if (left === 0) underWay.delete(tenant);
      else underWay.set(tenant, left);
    }
  };
}
