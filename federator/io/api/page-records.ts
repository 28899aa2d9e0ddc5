import type { Replica } from "../../ports.ts";
import type { Page } from "../../core/page-items.ts";
import { type ReadRecord, readEach } from "../read-records.ts";

/**
 * A page of the records with the prefix, without a look at the others. The cursor is what follows the prefix in the last key of the
 * page before. A record that cannot be read is left out.
 */
export function pageRecords<T>(
  replica: Pick<Replica, "page">,
  prefix: string,
  read: ReadRecord<T>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Page<T> {
  const afterKey = cursor === undefined ? "" : prefix + cursor;
  const records = replica.page(prefix, afterKey, limit + 1);
  const page = records.slice(0, limit);
  const last = page.at(-1);
  return {
    items: readEach(page, read).map(({ value }) => value),
    next: records.length > limit && last !== undefined ? last.key.slice(prefix.length) : null,
  };
}
