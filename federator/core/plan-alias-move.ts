import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord } from "#lib/contracts/catalog-records.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import { ALIASES_MAX, type FunctionState } from "./plan-deploy.ts";
import { absent, modifiedAt, present, put } from "./transactions.ts";

export interface AliasWish {
  readonly alias: string;
  readonly version: number;
  /** The revision that `If-Match` names, `any` for `*`; without it the last writer wins. */
  readonly ifMatch: number | "any" | undefined;
}

export type AliasPlan =
  | {
      readonly kind: "move";
      readonly record: AliasRecord;
      readonly from: number | null;
      readonly transaction: Transaction;
    }
  | { readonly kind: "function-missing" }
  | { readonly kind: "version-missing" }
  | { readonly kind: "changed-meanwhile"; readonly revision: number | null }
  | { readonly kind: "too-many-aliases" };

/** Points the alias at a version that exists; makes the alias where there is none. */
export function planAliasMove(state: FunctionState, wish: AliasWish, wallMs: number): AliasPlan {
  if (state.record === undefined) return { kind: "function-missing" };
  const { tenant, name } = state.record.value;
  const current = state.aliases.find((alias) => alias.value.alias === wish.alias);
  const revision = current?.modRevision ?? null;
  if (wish.ifMatch === "any" ? revision === null : (wish.ifMatch ?? revision) !== revision)
    return { kind: "changed-meanwhile", revision };
  if (!state.versions.includes(wish.version)) return { kind: "version-missing" };
  if (current === undefined && state.aliases.length >= ALIASES_MAX)
    return { kind: "too-many-aliases" };

  const record: AliasRecord = {
    tenant,
    functionName: name,
    alias: wish.alias,
    version: wish.version,
    updatedAtMs: wallMs,
  };
  const aliasKey = keys.alias(tenant, name, wish.alias);
  const functionKey = keys.function(tenant, name);
  const versionThere = present(keys.version(tenant, name, wish.version));
  const from = current?.value.version ?? null;
  if (current !== undefined) {
    const compares = [modifiedAt(aliasKey, current), versionThere];
    return {
      kind: "move",
      record,
      from,
      transaction: { compares, operations: [put(aliasKey, record)] },
    };
  }
  // A new alias also rewrites the function's record, so that a delete that has not seen the alias fails and looks again.
  return {
    kind: "move",
    record,
    from,
    transaction: {
      compares: [absent(aliasKey), modifiedAt(functionKey, state.record), versionThere],
      operations: [put(aliasKey, record), put(functionKey, state.record.value)],
    },
  };
}

/** `"17"` or `*`; anything else, weak tags included, matches nothing and is told by `null`. */
export function parseIfMatch(header: string | undefined): number | "any" | null | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return "any";
  const revision = /^"(\d{1,15})"$/.exec(header.trim())?.[1];
  return revision === undefined ? null : Number(revision);
}
