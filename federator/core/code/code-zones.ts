import type { CodePlace } from "#lib/ports/code-store.ts";

/** A zone's store said that it holds the code. */
export interface CodeHolder {
  readonly zone: string;
  readonly place: CodePlace;
}

/**
 * The zones of the residency that hold the code, in the residency's order. A bucket that several zones use counts once, for the
 * zones that it is configured to lie in; where they disagree about those, it counts as one zone. One that also lies outside the
 * residency counts for nothing.
 */
export function zonesWithCode(
  holders: readonly CodeHolder[],
  residency: readonly string[],
): readonly string[] {
  const inOrder = holders.toSorted((one, other) => (one.zone < other.zone ? -1 : 1));
  const places = Map.groupBy(inOrder, ({ place }) => place.id);
  const counted = [...places.values()]
    .map(zonesOfPlace)
    .filter((zones) => zones.every((zone) => residency.includes(zone)))
    .flat();
  return residency.filter((zone) => counted.includes(zone));
}

function zonesOfPlace(holders: readonly CodeHolder[]): readonly string[] {
  const [first] = holders;
  if (first === undefined) return [];
  const said = new Set(holders.map(({ place }) => place.zonesHeld.toSorted().join(" ")));
  if (said.size === 1) return first.place.zonesHeld;
  // Its federators contradict each other: the least that is surely true.
  return [first.zone];
}
