import { BlockList, isIPv4 } from "node:net";
import { fileURLToPath } from "node:url";
import { open } from "maxmind";
import type { Logger } from "pino";

/** Country of an address by ISO 3166-1 alpha-2 code; undefined where it is not known. */
export type CountryOf = (address: string) => string | undefined;

/** The database that comes along; NOTICE names whose data it is. */
const BUNDLED = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";

/** Nobody's in particular: private, shared, link-local, loopback and documentation (IANA's special-purpose registries). */
const SPECIAL_NETWORKS = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "240.0.0.0/4",
  "::/127",
  "2001:db8::/32",
  "fc00::/7",
  "fe80::/10",
];

/**
 * Never a hard dependency: without a readable database every caller counts as near this gateway. The one that comes along has
 * countries for private networks, which whoever once wrote them down had; a database of the operator's own is believed in all.
 */
export async function openGeoDatabase(path: string | undefined, log: Logger): Promise<CountryOf> {
  const unusable = (error: unknown): void =>
    log.warn({ err: error, path }, "no geo database: callers are not located by their address");
  try {
    const reader = await open(path ?? fileURLToPath(import.meta.resolve(BUNDLED)));
    const isSpecial = path === undefined ? specialAddresses() : () => false;
    let isBroken = false;
    return (address) => {
      if (isBroken || isSpecial(address)) return undefined;
      try {
        return countryCode(reader.get(address));
      } catch (error) {
        // It opens, and its inside is damaged: what it would say of others is not to be believed either.
        isBroken = true;
        unusable(error);
        return undefined;
      }
    };
  } catch (error) {
    unusable(error);
    return () => undefined;
  }
}

function specialAddresses(): (address: string) => boolean {
  const special = new BlockList();
  for (const network of SPECIAL_NETWORKS) {
    const [address = "", bits] = network.split("/");
    special.addSubnet(address, Number(bits), isIPv4(address) ? "ipv4" : "ipv6");
  }
  return (address) => special.check(address, isIPv4(address) ? "ipv4" : "ipv6");
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
