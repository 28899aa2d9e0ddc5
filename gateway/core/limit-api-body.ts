import { API_BODY_BYTES_MAX, CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import { MeridianError } from "#lib/errors.ts";

export interface ApiBodyLimit {
  readonly bytesMax: number;
  readonly tooLarge: () => MeridianError;
}

const CODE_PATH = /^\/v1\/tenants\/[^/]+\/code\/[^/]+$/;

/** The most that a body of the management API may have: what is larger is refused before a federator hears of it. */
export function apiBodyLimit(method: string, path: string): ApiBodyLimit {
  return method === "PUT" && CODE_PATH.test(path) ? ofCode : ofOthers;
}

const ofCode: ApiBodyLimit = {
  bytesMax: CODE_BYTES_MAX,
  tooLarge: () =>
    new MeridianError(
      "MERIDIAN_CODE_TOO_LARGE",
      `A code archive has at most ${CODE_BYTES_MAX} bytes; leave out what the function does not need to run.`,
    ),
};

const ofOthers: ApiBodyLimit = {
  bytesMax: API_BODY_BYTES_MAX,
  tooLarge: () =>
    new MeridianError(
      "MERIDIAN_BODY_TOO_LARGE",
      `A body of the management API may have at most ${API_BODY_BYTES_MAX} bytes; send less.`,
    ),
};
