/** A point on the Earth. */
export interface GeoPoint {
  readonly latitudeDegrees: number;
  readonly longitudeDegrees: number;
}

/** Mean radius of the Earth, as the IUGG defines it. */
const EARTH_RADIUS_KILOMETRES = 6_371;

/** Along the surface, by the haversine formula; good to half a percent, which is plenty for telling zones apart. */
export function distanceKilometres(from: GeoPoint, to: GeoPoint): number {
  const halfLatitude = radians(to.latitudeDegrees - from.latitudeDegrees) / 2;
  const halfLongitude = radians(to.longitudeDegrees - from.longitudeDegrees) / 2;
  const haversine =
    Math.sin(halfLatitude) ** 2 +
    Math.cos(radians(from.latitudeDegrees)) *
      Math.cos(radians(to.latitudeDegrees)) *
      Math.sin(halfLongitude) ** 2;
  return 2 * EARTH_RADIUS_KILOMETRES * Math.asin(Math.sqrt(Math.min(1, haversine)));
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;
