import { MeridianError } from "#lib/errors.ts";
import { toMeridianError } from "#lib/problem.ts";

/** Errors of the system that the same archive would meet on any machine; a full disk is none. */
const ARCHIVE_ERRORS: readonly string[] = ["ENAMETOOLONG", "EEXIST", "ENOTDIR", "EISDIR", "EINVAL"];
const DISK_FULL_ERRORS: readonly string[] = ["ENOSPC", "EDQUOT"];

/** An archive that can be unpacked nowhere; what the system refuses for its own reasons may succeed elsewhere and goes on as it is. */
export const unusable = (digest: string) => (cause: unknown) => {
  const code = systemCode(cause);
  if (code !== "" && !ARCHIVE_ERRORS.includes(code)) throw cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new MeridianError(
    "MERIDIAN_CODE_INVALID",
    `The archive ${digest} cannot be unpacked: ${why}. Deploy the function again from an ordinary zip file.`,
    { cause },
  );
};

export const isDiskFull = (error: unknown): boolean => DISK_FULL_ERRORS.includes(systemCode(error));

const systemCode = (error: unknown): string =>
  error instanceof Error && "syscall" in error && "code" in error ? String(error.code) : "";

/** A full disk or a store out of reach: the call may go to another cluster. */
export function unavailable(error: unknown): MeridianError {
  const known = toMeridianError(error);
  if (known.code === "MERIDIAN_CODE_UNAVAILABLE" || known.code === "MERIDIAN_CODE_INVALID")
    return known;
  const why = isDiskFull(error)
    ? "the disk of this cluster is full, and nothing on it can be discarded"
    : "the log of its agent has the details";
  return new MeridianError(
    "MERIDIAN_CODE_UNAVAILABLE",
    `The function's code could not be put in place on this cluster: ${why}.`,
    { cause: error },
  );
}
