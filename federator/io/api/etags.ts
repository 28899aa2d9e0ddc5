import type { IncomingHttpHeaders } from "node:http";
import type { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { parseIfMatch, type Precondition } from "../../core/functions/preconditions.ts";

/** The ETag of a thing: the revision that wrote it last. */
export const etag = (revision: number): string => `"${revision}"`;

/** What the request demands of the thing it changes. */
export function readPrecondition(headers: IncomingHttpHeaders): Precondition {
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== "*")
    throw new MeridianError(
      "MERIDIAN_BAD_REQUEST",
      "If-None-Match takes only * here: change it only if there is none yet.",
    );
  return { ifMatch: parseIfMatch(headers["if-match"]), ifNew: ifNoneMatch !== undefined };
}

/** `what` is named with its article: `the alias live`. */
export const changedMeanwhile = (what: string, revision: number | null): MeridianError =>
  new MeridianError(
    "MERIDIAN_PRECONDITION_FAILED",
    revision === null
      ? `There is no such thing as ${what}, and the request demands one; make it without If-Match.`
      : `The request demands another state of ${what}, which has the ETag ${etag(revision)}; GET it, decide again and send that.`,
  );

export const rolloutRuns = ({ id, alias, toVersion }: RolloutRecord): MeridianError =>
  new MeridianError(
    "MERIDIAN_CONFLICT",
    `The rollout ${id} is moving ${alias} to version ${toVersion}; wait for its end, or cancel it first.`,
  );
