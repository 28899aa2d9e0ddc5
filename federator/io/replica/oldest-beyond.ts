import type { Replica } from "../../ports.ts";

/** The key of the record that was not written for longest, where there are `max` with the prefix; undefined while there is room. */
export function oldestBeyond(
  replica: Pick<Replica, "count" | "list">,
  prefix: string,
  max: number,
): string | undefined {
  if (replica.count(prefix) < max) return undefined;
  return replica
    .list(prefix)
    .reduce((oldest, record) => (record.modRevision < oldest.modRevision ? record : oldest)).key;
}
