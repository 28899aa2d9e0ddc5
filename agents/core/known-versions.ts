import {
  entryKey,
  type FunctionRoute,
  type RouteEntry,
  type RouteVersion,
} from "#lib/contracts/route-table.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";

/** Gateways may be a little behind: a version that no alias points to any more is still served for this long. */
const KEPT_MS = 60_000;
/** More former versions than this are forgotten, the oldest first. */
const KEPT_MAX = 1_000;

interface FormerVersion {
  readonly route: FunctionRoute;
  readonly version: RouteVersion;
  readonly untilMs: number;
}

/** Versions that left the table but whose function did not, by `versionName`. */
export type FormerVersions = ReadonlyMap<string, FormerVersion>;

const versionName = (tenant: string, functionName: string, version: number): string =>
  `${tenant}/${functionName}@${version}`;

/** An entry as it was and as it is now. */
export interface Replacement {
  readonly before: RouteEntry | undefined;
  readonly after: RouteEntry | undefined;
}

/** What stays known when entries replace others. A deleted function is forgotten at once. */
export function keepFormerVersions(
  former: FormerVersions,
  replaced: readonly Replacement[],
  nowMs: number,
): FormerVersions {
  const kept = new Map<string, FormerVersion>();
  const removed = new Set(
    replaced.flatMap(({ before, after }) =>
      before !== undefined && after === undefined ? [entryKey(before)] : [],
    ),
  );
  for (const [name, known] of former)
    if (known.untilMs > nowMs && !removed.has(entryKey(known.route))) kept.set(name, known);
  for (const { before: route, after: successor } of replaced) {
    if (route?.kind !== "function" || successor?.kind !== "function") continue;
    const current = new Set(successor.versions.map(({ version }) => version));
    for (const version of route.versions)
      if (!current.has(version.version))
        kept.set(versionName(route.tenant, route.functionName, version.version), {
          route,
          version,
          untilMs: nowMs + KEPT_MS,
        });
  }
  return new Map([...kept].slice(-KEPT_MAX));
}

/** The version a gateway asks for, from the table or from what it held a moment ago. */
export function findVersion(
  entries: Pick<RouteEntries, "get"> | undefined,
  former: FormerVersions,
  tenant: string,
  functionName: string,
  versionNumber: number,
  nowMs: number,
): RouteVersion | undefined {
  const route = entries?.get(`function/${tenant}/${functionName}`);
  if (route?.kind !== "function") return undefined;
  const version = route.versions.find((candidate) => candidate.version === versionNumber);
  if (version !== undefined) return version;
  const kept = former.get(versionName(tenant, functionName, versionNumber));
  return kept !== undefined && kept.untilMs > nowMs ? kept.version : undefined;
}
