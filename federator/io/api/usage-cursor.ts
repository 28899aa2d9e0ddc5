import { Type } from "typebox";
import { Value } from "typebox/value";
import { Name, VersionNumber } from "#lib/contracts/names.ts";
import { USAGE_LAST_MS } from "#lib/contracts/usage.ts";
import { MeridianError } from "#lib/errors.ts";
import type { UsageKey } from "../../core/usage/merge-usage.ts";

/** Only what every agent takes: what one refuses would look as if all zones were silent. */
const Cursor = Type.Object(
  {
    startMs: Type.Integer({ minimum: 0, maximum: USAGE_LAST_MS }),
    tenant: Name,
    functionName: Type.Union([Name, Type.Literal("")]),
    version: Type.Union([VersionNumber, Type.Literal(0)]),
    zone: Type.Union([Name, Type.Literal("")]),
  },
  { additionalProperties: false },
);

export const writeUsageCursor = (key: UsageKey): string =>
  Buffer.from(JSON.stringify(key)).toString("base64url");

export function readUsageCursor(cursor: string): UsageKey {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (Value.Check(Cursor, key)) return key;
  } catch {
    // Answered below: not JSON is no cursor of ours either.
  }
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    "The query does not fit: /cursor must be the `next` of the page before.",
  );
}
