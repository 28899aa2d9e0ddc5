import { MeridianError } from "#lib/errors.ts";
import type { AdmittedCall, PermittedCall } from "../call.ts";
import { passableTrailers } from "../core/passable-trailers.ts";
import type { Arrival, StreamedBody } from "../ports.ts";

/** What is no longer, and says so, is read whole: such a call can be repeated as any other. */
const WHOLE_BYTES_MAX = 64 * 1024;

/** Servers take bodies as they come; undefined for what is read whole first. */
export function streamOf({ arrival, version }: PermittedCall): StreamedBody | undefined {
  const isServer = version.manifest.interface === "http";
  if (arrival.upgrade !== undefined && !isServer) throw upgradeUnsupported(arrival.upgrade);
  if (!isServer || (arrival.upgrade === undefined && comesWhole(arrival))) return undefined;
  let isTouched = false;
  return {
    upgrade: arrival.upgrade,
    read: (mayRest) => {
      isTouched = true;
      return arrival.streamBody(mayRest)[Symbol.asyncIterator]();
    },
    isTouched: () => isTouched,
    trailers: () => passableTrailers(arrival.trailers?.() ?? {}),
  };
}

/** Whether a second start may be risked where the first cannot be ruled out. */
export const isRepeatable = ({ version, body }: AdmittedCall): boolean =>
  version.manifest.idempotent && body instanceof Uint8Array;

function comesWhole({ hasBody, headers }: Arrival): boolean {
  if (!hasBody) return true;
  const declared = headers["content-length"];
  return (
    declared !== undefined && Number(declared) <= WHOLE_BYTES_MAX && headers.trailer === undefined
  );
}

const upgradeUnsupported = (protocol: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_UPGRADE_UNSUPPORTED",
    `The function is a handler and cannot speak ${protocol}; one that is a server (\`"interface": "http"\` in its meridian.json) can.`,
  );
