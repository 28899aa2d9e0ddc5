import { Compile } from "typebox/compile";
import { CATALOG_PATHS, WatchLine } from "#lib/contracts/catalog-wire.ts";
import { catalogFailure, unavailable } from "#lib/io/catalog-failure.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import { readJsonLines } from "#lib/io/json-lines.ts";
import type { WatchEvent, WatchQuery } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";

export interface RemoteWatchOptions {
  readonly findCatalog: () => Promise<string>;
  readonly client: InternalClient;
  readonly clock: Clock;
  /** Without a line for so long, while one is waited for, the stream is broken. */
  readonly stallMs: number;
}

const line = Compile(WatchLine);

/** One stream of the catalog process. It ends with its signal, throws when it breaks, and does not resume: its reader does. */
export async function* remoteWatch(
  { findCatalog, client, clock, stallMs }: RemoteWatchOptions,
  query: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  const ending = new AbortController();
  const stall = () => ending.abort(unavailable(`The catalog was silent for ${stallMs} ms.`));
  try {
    const stream = await client.stream(await findCatalog(), {
      method: "POST",
      path: CATALOG_PATHS.watch,
      json: query,
      timeoutMs: stallMs,
      signal: AbortSignal.any([signal, ending.signal]),
    });
    const lines = readJsonLines(stream);
    for (;;) {
      const next = await withinStall(lines.next(), stallMs, clock, stall);
      if (next.done === true) throw unavailable("The catalog ended the watch; watch again.");
      if (!line.Check(next.value)) throw unavailable("The catalog sent a line that is not one.");
      yield next.value;
      if (next.value.kind === "compacted") return;
    }
  } catch (error) {
    if (signal.aborted) return;
    throw ending.signal.aborted ? ending.signal.reason : catalogFailure(error, "repeatable");
  } finally {
    ending.abort();
  }
}

async function withinStall<T>(
  work: Promise<T>,
  stallMs: number,
  clock: Clock,
  stall: () => void,
): Promise<T> {
  const arrived = new AbortController();
  clock.sleep(stallMs, arrived.signal).then(stall, () => undefined);
  try {
    return await work;
  } finally {
    arrived.abort();
  }
}
