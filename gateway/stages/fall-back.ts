import { permittedZones } from "#lib/residency.ts";
import type { RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FixedAnswer } from "#lib/contracts/function-manifest.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";
import type { LocatedCall } from "../call.ts";
import { findFunction } from "../core/look-up.ts";
import { provedZones } from "../core/proved-zones.ts";
import type { FunctionAddress } from "../core/match-route.ts";
import type { Stage } from "../pipeline.ts";
import { type ClusterRanking, toRank } from "./survey-clusters.ts";

/** What answers in place of a version that fails wherever it may run. */
type Substitute =
  | { readonly kind: "version"; readonly version: RouteVersion; readonly zones: readonly Zone[] }
  | { readonly kind: "answer"; readonly answer: FixedAnswer };

/** Where the function's circuit is open on every cluster that its calls may go to, its fallback answers. */
export function fallBack(
  ranking: Pick<ClusterRanking, "isOpenEverywhere">,
): Stage<LocatedCall, LocatedCall> {
  return (next) => (call) => {
    const fallback = findFallback(call.table.entries, call.door, call.version, call.zones);
    if (fallback === undefined || !ranking.isOpenEverywhere(toRank(call), call.zones))
      return next(call);
    if (!canTake(fallback, call)) return next(call);
    call.receipt.fallback = fallback.kind;
    if (fallback.kind === "version") {
      const { version, zones } = fallback;
      call.receipt.version = version.version;
      return next({ ...call, version, zones });
    }
    const { status, contentType, body } = fallback.answer;
    return Promise.resolve({ status, headers: { "content-type": contentType }, body });
  };
}

/** What is streamed is for servers alone. */
const canTake = (fallback: Substitute, { body }: LocatedCall): boolean =>
  fallback.kind === "answer" ||
  body instanceof Uint8Array ||
  fallback.version.manifest.interface === "http";

/** An older version keeps to its own placement and isolation as well as to that of the version it stands in for. */
export function findFallback(
  entries: RouteEntries,
  { tenant, functionName }: Pick<FunctionAddress, "tenant" | "functionName">,
  { manifest }: RouteVersion,
  permitted: readonly Zone[],
): Substitute | undefined {
  const { version: number, answer } = manifest.fallback ?? {};
  if (answer !== undefined) return { kind: "answer", answer };
  if (number === undefined) return undefined;
  const route = findFunction(entries, tenant, functionName);
  const version = route?.versions.find((one) => one.version === number);
  if (version === undefined) return undefined;
  const resident = permittedZones(version.manifest.placement.regions, permitted);
  const zones = provedZones(version.manifest, resident, entries);
  return zones.length === 0 ? undefined : { kind: "version", version, zones };
}
