import { Value } from "typebox/value";
import { ClockStamp } from "#lib/contracts/feed.ts";

/** The stamp that came as a header; undefined where there is none that can be read. */
export function readClockStamp(header: string | readonly string[] | undefined) {
  if (typeof header !== "string") return undefined;
  try {
    const stamp: unknown = JSON.parse(header);
    return Value.Check(ClockStamp, stamp) ? stamp : undefined;
  } catch {
    return undefined;
  }
}
