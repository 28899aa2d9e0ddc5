import { Compile } from "typebox/compile";
import {
  ClusterRoute,
  entryKey,
  FunctionRoute,
  KeyRoute,
  PlanRoute,
  type RouteEntry,
  TenantRoute,
} from "#lib/contracts/route-table.ts";
import type { TextEntry } from "#lib/table-digest.ts";

/** `opaque`: of a kind that this version does not know; it is kept and counted, and nothing is done with it. */
export type Decoded =
  | { readonly kind: "known"; readonly entry: RouteEntry }
  | { readonly kind: "opaque" }
  | { readonly kind: "refused"; readonly reason: string };

const OPAQUE: Decoded = { kind: "opaque" };

const functionRoute = Compile(FunctionRoute);
const tenantRoute = Compile(TenantRoute);
const keyRoute = Compile(KeyRoute);
const clusterRoute = Compile(ClusterRoute);
const planRoute = Compile(PlanRoute);

/** Reads an entry's text, for those who send it as for those who get it: what does not check here is in no table. */
export function decodeEntry({ key, text }: TextEntry): Decoded {
  const parsed = parse(text);
  if (typeof parsed !== "object" || parsed === null || !("kind" in parsed))
    return refused(key, "is no entry");
  const entry = known(parsed);
  if (entry === "opaque") return OPAQUE;
  if (entry === "invalid")
    return refused(key, `does not fit the schema of a ${String(parsed.kind)}`);
  if (entryKey(entry) !== key) return refused(key, `is the entry of ${entryKey(entry)}`);
  return { kind: "known", entry };
}

const refused = (key: string, what: string): Decoded => ({
  kind: "refused",
  reason: `the entry ${key.slice(0, 200)} ${what}`,
});

function known(parsed: { readonly kind: unknown }): RouteEntry | "opaque" | "invalid" {
  switch (parsed.kind) {
    case "function":
      return functionRoute.Check(parsed) ? parsed : "invalid";
    case "tenant":
      return tenantRoute.Check(parsed) ? parsed : "invalid";
    case "key":
      return keyRoute.Check(parsed) ? parsed : "invalid";
    case "cluster":
      return clusterRoute.Check(parsed) ? parsed : "invalid";
    case "plan":
      return planRoute.Check(parsed) ? parsed : "invalid";
    default:
      return typeof parsed.kind === "string" ? "opaque" : "invalid";
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
