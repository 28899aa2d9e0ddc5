/** Fields that say where a message ends, where it goes, who sends it or how it is to be read: too late behind it (RFC 9110, 6.5.1). */
const NOT_BEHIND_A_BODY =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|host|http2-settings|max-forwards|range|if-.*|content-(?:length|encoding|type|range|location)|authorization|proxy-.*|www-authenticate|cookie|set-cookie|cache-control|age|date|expires|location|retry-after|vary|warning|forwarded|x-forwarded-.*|x-real-ip|x-request-id|traceparent|tracestate|meridian-.*)$/;
const NAME = /^[a-z0-9!#$%&'*+.^`|~-]+$/;
const TRAILERS_MAX = 64;

/** The trailers that may be sent on, either way; names with underscores are left out, as among headers. */
export function passableTrailers(
  trailers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(trailers).slice(0, TRAILERS_MAX))
    if (value !== undefined && isPassable(name))
      kept[name] = typeof value === "string" ? value : value.join(", ");
  return kept;
}

/** Of those that a `Trailer` header announces, as such a header; undefined where none is left. */
export function announcedTrailers(announced: string): string | undefined {
  const names = announced.split(",").map((name) => name.trim().toLowerCase());
  const kept = names.filter(isPassable).slice(0, TRAILERS_MAX);
  return kept.length === 0 ? undefined : kept.join(", ");
}

const isPassable = (name: string): boolean => NAME.test(name) && !NOT_BEHIND_A_BODY.test(name);
