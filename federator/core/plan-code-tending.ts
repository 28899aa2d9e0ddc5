import type { VersionRecord } from "#lib/contracts/catalog-records.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { permittedZones } from "#lib/residency.ts";

/** An archive in this zone's store; `storedAtMs` is wall-clock time. */
export interface StoredArchive {
  readonly digest: string;
  readonly storedAtMs: number;
}

export interface CodeTending {
  /** Code that this zone should hold and does not, since it was down or cut off when the version was made. */
  readonly fetch: readonly string[];
  /** Archives without a version that may lie in this zone: staged and never deployed, deleted, or staged for other zones. */
  readonly remove: readonly string[];
}

/** An archive younger than this may be waiting for its version. */
export const STAGED_KEPT_MS = 15 * 60_000;

export function planCodeTending(
  zone: string,
  zones: readonly Zone[],
  versions: readonly VersionRecord[],
  stored: readonly StoredArchive[],
  wallMs: number,
): CodeTending {
  const wanted = new Set(
    versions
      .filter(({ manifest }) =>
        permittedZones(manifest.placement.regions, zones).some(({ name }) => name === zone),
      )
      .map((version) => version.codeDigest),
  );
  const held = new Set(stored.map((archive) => archive.digest));
  return {
    fetch: [...wanted].filter((digest) => !held.has(digest)),
    remove: stored
      .filter(
        ({ digest, storedAtMs }) => !wanted.has(digest) && wallMs - storedAtMs > STAGED_KEPT_MS,
      )
      .map((archive) => archive.digest),
  };
}
