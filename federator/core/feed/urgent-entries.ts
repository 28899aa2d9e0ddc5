import { decodeEntry } from "#lib/decode-entry.ts";
import type { TextEntry } from "#lib/table-digest.ts";
import type { CompiledTable, TableView } from "./compiled-table.ts";

/** So many keys and tenants at once look like a mistake: they wait for their turn with the rest of the table. */
const WITHDRAWN_MAX = 100;

export interface UrgentEntries {
  /** Clusters, the plan, and tenants that are suspended. */
  readonly entries: readonly TextEntry[];
  /** Keys that are revoked; undefined when too much was withdrawn for it to be told here. */
  readonly removed: readonly string[] | undefined;
}

/** What a table that is held back says about traffic and about who may no longer call: that much nobody waits for. */
export function urgentEntries(
  newest: TableView,
  replacedKeys: CompiledTable["replacedKeys"],
): UrgentEntries {
  const entries = newest.urgentEntries();
  const suspended: TextEntry[] = [];
  const removed: string[] = [];
  for (const key of replacedKeys()) {
    const text = newest.textOf(key);
    if (text === undefined && key.startsWith("key/")) removed.push(key);
    else if (text !== undefined && isSuspendedTenant({ key, text })) suspended.push({ key, text });
    if (removed.length + suspended.length > WITHDRAWN_MAX) return { entries, removed: undefined };
  }
  return { entries: [...entries, ...suspended], removed };
}

function isSuspendedTenant(entry: TextEntry): boolean {
  if (!entry.key.startsWith("tenant/")) return false;
  const decoded = decodeEntry(entry);
  return (
    decoded.kind === "known" &&
    decoded.entry.kind === "tenant" &&
    decoded.entry.isSuspended === true
  );
}
