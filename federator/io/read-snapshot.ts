import type { Position } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";

const PAGE_RECORDS = 2_000;

export interface Snapshot {
  readonly position: Position;
  readonly records: readonly CatalogRecord[];
}

/** All records as of one revision, in pages; a compaction in between is a failure, to be tried again. */
export async function readSnapshot(catalog: Catalog, signal: AbortSignal): Promise<Snapshot> {
  const records: CatalogRecord[] = [];
  let position: Position | undefined;
  for (;;) {
    const afterKey = records.at(-1)?.key;
    const page = await catalog.range(
      {
        prefix: "",
        limit: PAGE_RECORDS,
        ...(position === undefined ? {} : { atRevision: position.revision }),
        ...(afterKey === undefined ? {} : { afterKey }),
      },
      signal,
    );
    if (page.kind === "compacted")
      throw new MeridianError(
        "MERIDIAN_CATALOG_UNAVAILABLE",
        "The catalog forgot the revision while it was copied; the copy starts again.",
      );
    position ??= { incarnation: page.incarnation, revision: page.revision };
    for (const record of page.records) records.push(record);
    if (!page.more) return { position, records };
  }
}
