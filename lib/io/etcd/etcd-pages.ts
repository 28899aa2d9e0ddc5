import type { IRangeResponse } from "etcd3";
import { CATALOG_LIMITS } from "#lib/catalog/limits.ts";
import { etcdError } from "#lib/io/etcd/etcd-failure.ts";
import { type EtcdKeys, incarnationOf, toRevision } from "#lib/io/etcd/etcd-keys.ts";
import type { CallLimits, EtcdRole } from "#lib/io/etcd/etcd-role.ts";
import type { CatalogRecord, RangeQuery, RangeResult } from "#lib/ports/catalog.ts";

/** A page ends early past this size. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** So many records of the largest size make one page: what is asked for while their size is unknown. */
const RECORDS_UNKNOWN = Math.floor(
  PAGE_BYTES_MAX / (CATALOG_LIMITS.valueBytesMax + CATALOG_LIMITS.keyLengthMax),
);
/** Records of one catalog are alike, but not equal. */
const SIZE_MARGIN = 2;
/** A page that began at the newest revision begins anew when that is compacted while it is read. */
const NEW_BEGINNINGS_MAX = 3;

type Page = Extract<RangeResult, { kind: "page" }>;

/** Reads one page; `compacted` is the pinned revision no longer kept. */
export type ReadPage = (query: RangeQuery, limits: CallLimits) => Promise<Page | "compacted">;

/**
 * etcd bounds an answer by count alone, so a page is read in portions whose count follows from the size of the records seen
 * before. A portion that is too large all the same, as gRPC finds, is asked for again, smaller.
 */
export function etcdPages(role: EtcdRole, keys: EtcdKeys): ReadPage {
  let recordsPerPortion = RECORDS_UNKNOWN;

  const readPortion = async (
    query: RangeQuery,
    limit: number,
    limits: CallLimits,
  ): Promise<IRangeResponse | "compacted"> => {
    const { prefix, afterKey = "", atRevision } = query;
    // Zero would be the newest; at revision 1 an etcd is empty.
    const revision = atRevision === undefined ? 0 : Math.max(1, atRevision);
    for (let count = Math.min(limit, recordsPerPortion); ; count = Math.ceil(count / 8)) {
      const request = { ...keys.rangeOf(prefix, afterKey), limit: count, revision };
      const sent = await role.settle(
        ({ client, options }) => client.kv.range(request, options),
        limits,
      );
      if (sent.kind === "answered") return sent.answer;
      const { failure, cause } = sent;
      if (failure.reason === "compacted") return "compacted";
      if (failure.reason !== "too-large" || count === 1) throw etcdError(failure, cause);
      recordsPerPortion = Math.ceil(count / 8);
    }
  };

  const readPage = async (query: RangeQuery, limits: CallLimits): Promise<Page | "compacted"> => {
    const { limit = CATALOG_LIMITS.pageRecordsMax } = query;
    const records: CatalogRecord[] = [];
    let bytes = 0;
    let position = query;
    for (;;) {
      const portion = await readPortion(position, limit - records.length, limits);
      if (portion === "compacted") return portion;
      const incarnation = incarnationOf(portion.header);
      const revision = position.atRevision ?? toRevision(portion.header.revision);
      let portionBytes = 0;
      for (const found of portion.kvs) {
        if (bytes + portionBytes > PAGE_BYTES_MAX)
          return { kind: "page", incarnation, revision, records, more: true };
        records.push(keys.toRecord(found));
        portionBytes += found.key.length + found.value.length;
      }
      bytes += portionBytes;
      recordsPerPortion = portionFor(portionBytes, portion.kvs.length);
      const isFull = records.length >= limit || bytes > PAGE_BYTES_MAX;
      if (!portion.more || isFull)
        return { kind: "page", incarnation, revision, records, more: portion.more };
      position = { ...query, atRevision: revision, afterKey: records.at(-1)?.key ?? "" };
    }
  };

  return async (query, limits) => {
    for (let beginnings = 1; ; beginnings++) {
      const page = await readPage(query, limits);
      const isPinned = query.atRevision !== undefined;
      if (page !== "compacted" || isPinned || beginnings === NEW_BEGINNINGS_MAX) return page;
    }
  };
}

function portionFor(bytes: number, records: number): number {
  if (records === 0) return RECORDS_UNKNOWN;
  const recordBytes = Math.max(1, (bytes / records) * SIZE_MARGIN);
  const count = Math.floor(PAGE_BYTES_MAX / recordBytes);
  return Math.min(CATALOG_LIMITS.pageRecordsMax, Math.max(RECORDS_UNKNOWN, count));
}
