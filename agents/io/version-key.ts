import { hash } from "node:crypto";
import { canonicalJson } from "#lib/table-digest.ts";
import type { PoolVersion } from "./pool-version.ts";

const contents = new WeakMap<PoolVersion["version"], string>();

/** A zone that serves what a restored catalog lost may meet a number twice: the number alone does not name the code. */
export function versionKey({ tenant, functionName, version }: PoolVersion): string {
  const content = contents.get(version) ?? canonicalJson(version);
  contents.set(version, content);
  return `${tenant}/${functionName}/${content}`;
}

/** The same, short: of code by its digest, configuration, and secrets by their revisions. */
export const versionIdentity = (of: PoolVersion): string => hash("sha256", versionKey(of));
