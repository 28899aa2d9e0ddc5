import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { FunctionRoute, RouteSplit } from "#lib/contracts/route-table.ts";

const MANIFEST = Value.Parse(FunctionManifest, Value.Default(FunctionManifest, { name: "hello" }));

/** A function whose alias `live` leads to the version, and by these shares to others. */
export function routeTo(version: number, ...splits: readonly RouteSplit[]): FunctionRoute {
  return {
    kind: "function",
    tenant: "demo",
    functionName: "hello",
    aliases: { live: version },
    versions: [version, ...splits.map((split) => split.version)].map((number) => ({
      version: number,
      codeDigest: `sha256:${"0".repeat(64)}`,
      codeBytes: 1,
      manifest: MANIFEST,
    })),
    ...(splits.length > 0 && { splits: { live: [...splits] } }),
  };
}
