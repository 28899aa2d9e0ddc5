import type { Zone } from "./contracts/zone.ts";
import { distanceKilometres, type GeoPoint } from "./great-circle.ts";

/** How far a zone is as its bias makes it look: at 50 it seems half as far as it is, at -50 half as far again. */
export const apparentKilometres = (from: GeoPoint, zone: Zone): number =>
  distanceKilometres(from, zone) * (1 - (zone.biasPercent ?? 0) / 100);
