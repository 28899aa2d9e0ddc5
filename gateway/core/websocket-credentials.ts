/** Browsers let no page set a header of a WebSocket but this one: a page offers the key among its protocols. */
const KEY_AMONG_PROTOCOLS = "meridian.bearer.";

export interface KeyAmongProtocols {
  readonly key: string;
  /** What else is offered, as the function may see it; undefined: nothing. */
  readonly protocols: string | undefined;
}

/** Undefined where no key is among what `Sec-WebSocket-Protocol` offers. */
export function keyAmongProtocols(offered: string | undefined): KeyAmongProtocols | undefined {
  if (offered === undefined || !offered.includes(KEY_AMONG_PROTOCOLS)) return undefined;
  const protocols = offered.split(",").map((one) => one.trim());
  const key = protocols.find((one) => one.startsWith(KEY_AMONG_PROTOCOLS));
  if (key === undefined) return undefined;
  const others = protocols.filter((one) => !one.startsWith(KEY_AMONG_PROTOCOLS));
  return {
    key: key.slice(KEY_AMONG_PROTOCOLS.length),
    protocols: others.length === 0 ? undefined : others.join(", "),
  };
}
