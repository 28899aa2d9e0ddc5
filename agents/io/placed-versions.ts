import type { IsolationReport } from "#lib/contracts/isolation.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { DEFAULT_LIMITS } from "#lib/contracts/quota-records.ts";
import { MeridianError } from "#lib/errors.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { readEntry } from "#lib/kept-entry.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { allowsZone } from "#lib/residency.ts";
import { isolationShortfall } from "../core/isolation-shortfall.ts";
import { findVersion, type FormerVersions, keepFormerVersions } from "../core/known-versions.ts";
import type { Call } from "../core/read-call.ts";
import type { PoolVersion } from "./pool-version.ts";

/** A gateway that knows more than this agent is waited for this long. */
const CATCH_UP_MS = 1_000;

/** What this cluster may run, by its own copy of the route table. */
export interface PlacedVersions {
  /**
   * Fails with MERIDIAN_FUNCTION_NOT_FOUND, with MERIDIAN_RESIDENCY_UNAVAILABLE for what must not run in this zone, or
   * MERIDIAN_ISOLATION_UNAVAILABLE for what asks for more isolation than is proved here.
   */
  readonly find: (call: Call) => Promise<PoolVersion>;
  /** The version of that name, whether or not it may run in this zone. */
  readonly named: (name: VersionName) => PoolVersion | undefined;
  /** The same version as it is known now. */
  readonly current: (of: PoolVersion) => PoolVersion | undefined;
  readonly concurrencyMax: (tenant: string) => number;
  readonly close: () => void;
}

type VersionName = Pick<Call, "tenant" | "functionName" | "version">;

export function placedVersions(
  { table, onChanges }: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  isolation: Pick<LatestValue<IsolationReport | undefined>, "get">,
  clock: Clock,
): PlacedVersions {
  let former: FormerVersions = new Map();
  const close = onChanges((changes) => {
    const replaced = changes
      .filter(({ before }) => before !== undefined)
      .map(({ before, after }) => ({ before: readEntry(before), after: readEntry(after) }));
    former = keepFormerVersions(former, replaced, clock.nowMs());
  });

  const lookUp = ({ tenant, functionName, version }: VersionName): PoolVersion | undefined => {
    const known = findVersion(
      table.get()?.entries,
      former,
      tenant,
      functionName,
      version,
      clock.nowMs(),
    );
    return known && { tenant, functionName, version: known };
  };
  return {
    find: async (call) => {
      let found = lookUp(call);
      if (found === undefined && call.revision !== undefined) {
        await reaches(table, call.revision);
        found = lookUp(call);
      }
      if (found === undefined) throw unknown(call);
      if (!allowsZone(found.version.manifest.placement.regions, zone)) throw misplaced(call, zone);
      const shortfall = isolationShortfall(found.version.manifest, isolation.get());
      if (shortfall !== undefined) throw shortfall;
      return found;
    },
    named: lookUp,
    current: ({ tenant, functionName, version }) =>
      lookUp({ tenant, functionName, version: version.version }),
    concurrencyMax: (tenant) => {
      const entry = table.get()?.entries.get(`tenant/${tenant}`);
      return entry?.kind === "tenant" ? entry.limits.concurrency : DEFAULT_LIMITS.concurrency;
    },
    close,
  };
}

/** Resolves once the table has the revision, or after the time that is given to it. */
function reaches(table: LatestValue<RouteTable | undefined>, revision: number): Promise<void> {
  const has = () => (table.get()?.position.revision ?? -1) >= revision;
  if (has()) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(done, CATCH_UP_MS);
    const stop = table.subscribe(() => has() && done());
  });
}

const unknown = ({ tenant, functionName, version }: Call): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `This cluster knows no version ${version} of ${tenant}/${functionName}; deploy it, or try again in a moment.`,
  );

const misplaced = ({ tenant, functionName }: Call, zone: Zone): MeridianError =>
  new MeridianError(
    "MERIDIAN_RESIDENCY_UNAVAILABLE",
    `The placement of ${tenant}/${functionName} does not allow the zone ${zone.name}.`,
  );
