import { fileURLToPath } from "node:url";
import { open } from "maxmind";
import type { Logger } from "pino";

/** Country of an address by ISO 3166-1 alpha-2 code; undefined where it is not known. */
export type CountryOf = (address: string) => string | undefined;

/** The database that comes along; NOTICE names whose data it is. */
const BUNDLED = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";

/** Never a hard dependency: without a readable database every caller counts as near this gateway. */
export async function openGeoDatabase(path: string | undefined, log: Logger): Promise<CountryOf> {
  try {
    const reader = await open(path ?? fileURLToPath(import.meta.resolve(BUNDLED)));
    return (address) => countryCode(reader.get(address));
  } catch (error) {
    log.warn({ err: error, path }, "no geo database: callers are not located by their address");
    return () => undefined;
  }
}

/** Both spellings in use: a flat `country_code`, and GeoLite2's `country.iso_code`. */
function countryCode(found: unknown): string | undefined {
  const { country_code: flat, country } = asObject(found);
  if (typeof flat === "string") return flat;
  const { iso_code: nested } = asObject(country);
  return typeof nested === "string" ? nested : undefined;
}

const asObject = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};
