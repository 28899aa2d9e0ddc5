import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * Proof that the tenant brought the archive: a digest alone is known to whoever has seen it. Any federator of the boot can check
 * it, and none has to keep it.
 */
export const codeReceipt = (bootToken: string, tenant: string, digest: string): string =>
  createHmac("sha256", bootToken).update(`code ${tenant} ${digest}`).digest("base64url");

export function isCodeReceipt(
  given: string | undefined,
  bootToken: string,
  tenant: string,
  digest: string,
): boolean {
  const expected = Buffer.from(codeReceipt(bootToken, tenant, digest));
  const offered = Buffer.from(given ?? "");
  return offered.length === expected.length && timingSafeEqual(offered, expected);
}
