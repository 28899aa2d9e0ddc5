import { MeridianError } from "#lib/errors.ts";
import type { Catalog, WatchEvent, WatchQuery } from "#lib/ports/catalog.ts";
import type { Host } from "../engine/host.ts";
import type { Network } from "../engine/network.ts";
import type { Stream } from "../engine/stream.ts";
import type { ServingCatalog, SimulatedCatalog } from "./catalog-process.ts";

const CALL_TIMEOUT_MS = 10_000;
/** As the production client has it: a watch that hears nothing for so long is broken. */
const STALL_MS = 3_000;
/** The catalog stops to read its history for a watcher that has so much under way. */
const UNDERWAY_MAX = 32;
const UNDERWAY_PAUSE_MS = 100;

export interface CatalogLink {
  readonly catalog: Catalog;
  /** The catalog's process died: calls under way are reset. */
  readonly catalogDied: () => void;
}

/** The way from one zone's process to the catalog, which loses calls and, worse, answers. */
export function linkCatalog(
  network: Network,
  server: SimulatedCatalog,
  host: Host,
  place: string,
): CatalogLink {
  const underway = new Set<() => void>();

  const call = <A>(
    lostIs: "ambiguous" | "unavailable",
    serve: (serving: ServingCatalog) => Promise<A>,
    signal: AbortSignal | undefined,
  ): Promise<A> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(unavailable("the call was given up before it was sent"));
        return;
      }
      const settle = (finish: () => void): void => {
        timer.cancel();
        underway.delete(reset);
        signal?.removeEventListener("abort", abort);
        finish();
      };
      const lose = (why: string): void =>
        settle(() => reject(lostIs === "ambiguous" ? ambiguous(why) : unavailable(why)));
      const abort = (): void => lose("the caller gave up");
      const reset = (): void =>
        network.carry("catalog", place, () => host.deliver(() => lose("reset")));
      const answer = (finish: () => void): void =>
        network.carry("catalog", place, () => host.deliver(() => settle(finish)));
      const timer = host.after(CALL_TIMEOUT_MS, () => lose(`no answer in ${CALL_TIMEOUT_MS} ms`));
      signal?.addEventListener("abort", abort, { once: true });

      network.carry(place, "catalog", () => {
        const serving = server.serving();
        if (serving === undefined) {
          answer(() => reject(unavailable("refused: there is no catalog")));
          return;
        }
        underway.add(reset);
        serving.host.deliver(() => {
          const served = serving.asWriter(host.name, () => serve(serving));
          served.then(
            (result) => answer(() => resolve(result)),
            (error: Error) => answer(() => reject(error)),
          );
        });
      });
    });

  return {
    catalogDied: () => {
      for (const reset of underway) reset();
      underway.clear();
    },
    catalog: {
      txn: (transaction, signal) =>
        call("ambiguous", ({ catalog }) => catalog.txn(transaction), signal),
      range: (query, signal) => call("unavailable", ({ catalog }) => catalog.range(query), signal),
      watch: (query, signal) => followWatch(network, server, host, place, query, signal),
      grantLease: (ttlMs, signal) =>
        call("unavailable", ({ catalog }) => catalog.grantLease(ttlMs), signal),
      renewLease: (leaseId, signal) =>
        call("unavailable", ({ catalog }) => catalog.renewLease(leaseId), signal),
      revokeLease: (leaseId, signal) =>
        call("ambiguous", ({ catalog }) => catalog.revokeLease(leaseId), signal),
      compact: (revision, signal) =>
        call("unavailable", ({ catalog }) => catalog.compact(revision), signal),
      close: async () => undefined,
    },
  };
}

const unavailable = (why: string): MeridianError =>
  new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", why);
const ambiguous = (why: string): MeridianError =>
  new MeridianError("MERIDIAN_WRITE_AMBIGUOUS", why);

/** One watch over a stream that can break, or go silent. */
async function* followWatch(
  network: Network,
  server: SimulatedCatalog,
  host: Host,
  place: string,
  query: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  const arrived: WatchEvent[] = [];
  let failure: Error | undefined;
  let wake = (): void => undefined;
  let heardAtMs = host.clock.nowMs();
  let stream: Stream<WatchEvent> | undefined;
  const fail = (why: string): void => {
    failure ??= unavailable(why);
    wake();
  };
  const watchStall = (): void => {
    if (failure !== undefined || signal.aborted) return;
    const quietMs = host.clock.nowMs() - heardAtMs;
    if (quietMs >= STALL_MS) fail(`the catalog was silent for ${STALL_MS} ms`);
    else host.after(STALL_MS - quietMs, watchStall);
  };
  const onAbort = (): void => fail("given up");
  signal.addEventListener("abort", onAbort, { once: true });
  host.after(STALL_MS, watchStall);

  network.carry(place, "catalog", () => {
    const serving = server.serving();
    if (serving === undefined)
      network.carry("catalog", place, () => host.deliver(() => fail("refused")));
    else
      serving.host.deliver(() => {
        stream = serveWatch(network, serving, host, place, query, {
          onItem: (event) => {
            heardAtMs = host.clock.nowMs();
            arrived.push(event);
            wake();
          },
          onEnd: () => fail("the catalog ended the watch"),
        });
        if (failure !== undefined) stream.break("half-open");
      });
  });

  try {
    for (;;) {
      const next = arrived.shift();
      if (next !== undefined) {
        yield next;
        if (next.kind === "compacted") return;
        // The reader was busy: that is no silence.
        heardAtMs = Math.max(heardAtMs, host.clock.nowMs() - STALL_MS / 2);
        continue;
      }
      if (signal.aborted) return;
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    failure ??= unavailable("the watch was left");
    stream?.break("half-open");
    signal.removeEventListener("abort", onAbort);
  }
}

/** The catalog's side: reads its history at the pace of the line. */
function serveWatch(
  network: Network,
  { host, catalog }: ServingCatalog,
  receiver: Host,
  place: string,
  query: WatchQuery,
  handlers: { readonly onItem: (event: WatchEvent) => void; readonly onEnd: () => void },
): Stream<WatchEvent> {
  const ending = new AbortController();
  const stream = network.connect<WatchEvent>("catalog", place, {
    ...handlers,
    sender: host,
    receiver,
    onBroken: () => ending.abort(LEFT),
  });
  const pump = async (): Promise<void> => {
    for await (const event of catalog.watch(query, ending.signal)) {
      stream.send(event);
      while (stream.underway() > UNDERWAY_MAX) await host.clock.sleep(UNDERWAY_PAUSE_MS);
      if (stream.isClosed()) ending.abort(LEFT);
    }
    stream.end();
  };
  pump().catch(() => stream.end());
  return stream;
}

const LEFT = new Error("the watcher is gone");
