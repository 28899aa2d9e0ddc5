import { type EtcdKeys, toRevision } from "#lib/io/etcd/etcd-keys.ts";
import { watchStream, type WatchStreamOptions } from "#lib/io/etcd/watch-stream.ts";

/** How far history is forgotten, given a revision that is: a range is told only that it is, a watch also how far. */
export async function readCompactRevision(
  options: WatchStreamOptions,
  keys: EtcdKeys,
  compactedRevision: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const done = new AbortController();
  const stopping = signal === undefined ? done.signal : AbortSignal.any([done.signal, signal]);
  const query = { ...keys.rangeOf("", ""), startRevision: compactedRevision };
  try {
    for await (const { canceled, compact_revision } of watchStream(options, query, stopping))
      if (canceled) return toRevision(compact_revision);
  } finally {
    done.abort();
  }
  throw new Error("a watch never ends without an error");
}
