import { NAME_PATTERN } from "#lib/contracts/names.ts";
import type { Zone } from "#lib/contracts/zone.ts";

/** What `up` runs when nothing is said. */
export const DEFAULT_ZONES = "eu-west,us-east,ap-south";
/** Nine processes for three zones are plenty for one machine; more than this is a slip of the pen. */
const ZONES_MAX = 16;
const NAME = new RegExp(NAME_PATTERN);

const KNOWN: Readonly<Record<string, Place>> = {
  "eu-west": { latitudeDegrees: 53.3, longitudeDegrees: -6.3, jurisdiction: "eu" },
  "us-east": { latitudeDegrees: 38.9, longitudeDegrees: -77.4, jurisdiction: "us" },
  "ap-south": { latitudeDegrees: 19.1, longitudeDegrees: 72.9, jurisdiction: "in" },
};

type Place = Pick<Zone, "latitudeDegrees" | "longitudeDegrees" | "jurisdiction" | "biasPercent">;

export type ParsedZones =
  | { readonly kind: "zones"; readonly zones: readonly Zone[] }
  | { readonly kind: "refused"; readonly reason: string };

/** `--zones name[=latitude:longitude:jurisdiction[:bias]],…`; the known zones need no location. */
export function parseZones(text: string): ParsedZones {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (parts.length === 0) return refused("name at least one zone");
  if (parts.length > ZONES_MAX) return refused(`at most ${ZONES_MAX} zones run on one machine`);

  const zones: Zone[] = [];
  for (const part of parts) {
    const parsed = parseZone(part);
    if (typeof parsed === "string") return refused(parsed);
    if (zones.some((zone) => zone.name === parsed.name))
      return refused(`zone "${parsed.name}" is named twice`);
    zones.push(parsed);
  }
  return { kind: "zones", zones };
}

const refused = (reason: string): ParsedZones => ({ kind: "refused", reason });

/** The zone, or why there is none. */
function parseZone(part: string): Zone | string {
  const [name = "", place, ...rest] = part.split("=");
  if (!NAME.test(name) || name.length > 60 || rest.length > 0)
    return `"${part}" is not a zone: write NAME or NAME=LATITUDE:LONGITUDE:JURISDICTION, the name in lower-case letters, digits and dashes`;
  const location = place === undefined ? KNOWN[name] : parsePlace(name, place);
  if (location === undefined)
    return `zone "${name}" has no known location: write ${name}=LATITUDE:LONGITUDE:JURISDICTION, such as ${name}=48.1:11.6:eu (known without it: ${Object.keys(KNOWN).join(", ")})`;
  if (typeof location === "string") return location;
  return { name, region: name, clusterId: `${name}-1`, ...location };
}

function parsePlace(name: string, text: string): Place | string {
  const [latitude = "", longitude = "", jurisdiction = "", bias, ...rest] = text.split(":");
  const latitudeDegrees = parseDegrees(latitude, 90);
  const longitudeDegrees = parseDegrees(longitude, 180);
  if (latitudeDegrees === undefined)
    return `zone "${name}": the latitude "${latitude}" is not a number from -90 to 90`;
  if (longitudeDegrees === undefined)
    return `zone "${name}": the longitude "${longitude}" is not a number from -180 to 180`;
  if (!NAME.test(jurisdiction) || rest.length > 0)
    return `zone "${name}": "${[jurisdiction, ...rest].join(":")}" is not a jurisdiction; write a word such as eu, us or in`;
  if (bias !== undefined && !/^[+-]?\d{1,2}$/.test(bias))
    return `zone "${name}": the bias "${bias}" is not a whole number from -99 to 99`;
  const place = { latitudeDegrees, longitudeDegrees, jurisdiction };
  return bias === undefined ? place : { ...place, biasPercent: Number(bias) };
}

function parseDegrees(text: string, limit: number): number | undefined {
  if (!/^[+-]?\d{1,3}(\.\d{1,9})?$/.test(text)) return undefined;
  const degrees = Number(text);
  return Math.abs(degrees) <= limit ? degrees : undefined;
}
