import { CATALOG_PROBLEM_MEMBERS } from "#lib/contracts/catalog-wire.ts";
import { MeridianError } from "#lib/errors.ts";

/** Failures of connecting: not one byte of the call was sent. */
const NOT_SENT = new Set([
  "ECONNREFUSED",
  "UND_ERR_CONNECT_TIMEOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
]);

/** What losing the answer means: a change is then in doubt, and a repeatable call was as good as not made. */
export type CallKind = "change" | "repeatable";

export const unavailable = (detail: string, cause?: unknown): MeridianError =>
  new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", detail, cause === undefined ? {} : { cause });

/** What a failed call to the catalog process means to its caller. */
export function catalogFailure(thrown: unknown, kind: CallKind): MeridianError {
  if (thrown instanceof MeridianError && isTold(thrown)) return thrown;

  const cause = thrown instanceof MeridianError ? thrown.cause : thrown;
  // Without a cause it is an answer, and not one of the catalog's: another program has its port now.
  const isLost = cause !== undefined && !NOT_SENT.has(errorCode(cause));
  if (isLost && kind === "change")
    return new MeridianError(
      "MERIDIAN_WRITE_AMBIGUOUS",
      `The catalog's answer was lost; look before repeating the change: ${describe(cause)}`,
      { cause: thrown },
    );
  return unavailable(`The catalog cannot be reached: ${describe(thrown)}`, thrown);
}

/** The catalog process itself said what happened. */
function isTold({ code, members }: MeridianError): boolean {
  if (members["program"] !== CATALOG_PROBLEM_MEMBERS.program) return false;
  return code !== "MERIDIAN_INTERNAL" && code !== "MERIDIAN_UNAUTHENTICATED";
}

function errorCode(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

const describe = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);
