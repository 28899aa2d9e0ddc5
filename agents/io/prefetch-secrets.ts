import type { Logger } from "pino";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { SecretIdentity } from "#lib/io/secret-envelope.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { allowsZone } from "#lib/residency.ts";
import { secretKey, type SecretStore } from "./secret-store.ts";

/** After so many entries that were looked at, calls are served before the next. */
const ENTRIES_AT_ONCE = 200;
/** What could not be fetched is asked for again after this time. */
const RETRY_MS = 5_000;
/** Versions that left the table are still served for a minute, and may have to start an instance. */
const UNUSED_KEPT_MS = 120_000;

/** Keeps the secrets of what may be placed here on disk before anybody calls it, and no others. */
export function prefetchSecrets(
  { table, onChanges }: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  store: SecretStore,
  clock: Clock,
  log: Logger,
): { readonly close: () => Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const unseen = new Set<string>(table.get()?.entries.keys());
  const needs = secretNeeds();

  const look = async (): Promise<void> => {
    let count = 0;
    for (const key of unseen) {
      unseen.delete(key);
      needs.set(key, secretsPlacedHere(table.get()?.entries.get(key), zone));
      count += 1;
      if (count % ENTRIES_AT_ONCE === 0) await clock.sleep(0, signal);
    }
  };
  const fetchMissing = async (): Promise<void> => {
    for (const wanted of needs.all()) {
      if (signal.aborted) return;
      if (store.kept().has(secretKey(wanted))) continue;
      await store.keep(wanted).catch((error: unknown) => {
        if (signal.aborted) return;
        const { tenant, name, revision } = wanted;
        log.warn({ err: error, tenant, secret: name, revision }, "a secret is not here yet");
        tryAgain();
      });
    }
  };
  const dropUnused = async (): Promise<void> => {
    if (table.get() === undefined) return;
    const { old, hasYounger } = needs.unused(store.kept(), clock.nowMs(), UNUSED_KEPT_MS);
    for (const key of old)
      await store.drop(key).catch((error: unknown) => log.warn({ err: error }, "a secret stays"));
    if (hasYounger) dropLater();
  };
  const work = oneAtATime<void>(async () => {
    // The table that a change belongs to comes right after it.
    await Promise.resolve();
    await look().catch(() => undefined);
    await fetchMissing();
    await dropUnused();
  });
  /** Works again after a while, however often that is asked for meanwhile. */
  const workIn = (delayMs: number): (() => void) => {
    let isWaiting = false;
    const wake = (): void => {
      isWaiting = false;
      work.offer();
    };
    return () => {
      if (isWaiting) return;
      isWaiting = true;
      clock.sleep(delayMs, signal).then(wake, () => undefined);
    };
  };
  const tryAgain = workIn(RETRY_MS);
  const dropLater = workIn(UNUSED_KEPT_MS);

  work.offer();
  const stop = onChanges((changes) => {
    for (const { key } of changes) if (key.startsWith("function/")) unseen.add(key);
    work.offer();
  });
  return {
    close: async () => {
      stopping.abort();
      stop();
      await work.settled();
    },
  };
}

/** Which secrets each entry of the table needs here. */
function secretNeeds() {
  const byEntry = new Map<string, readonly SecretIdentity[]>();
  const unusedAtMs = new Map<string, number>();
  const all = (): readonly SecretIdentity[] => [...byEntry.values()].flat();
  return {
    all,
    set: (entryKey: string, needed: readonly SecretIdentity[]): void => {
      if (needed.length === 0) byEntry.delete(entryKey);
      else byEntry.set(entryKey, needed);
    },
    /** What nothing has needed for so long, and whether there is more that nothing needs. */
    unused: (kept: ReadonlySet<string>, nowMs: number, keptMs: number) => {
      const used = new Set(all().map(secretKey));
      for (const key of unusedAtMs.keys()) if (used.has(key)) unusedAtMs.delete(key);
      for (const key of kept)
        if (!used.has(key) && !unusedAtMs.has(key)) unusedAtMs.set(key, nowMs);
      const old = [...unusedAtMs].filter(([, atMs]) => nowMs - atMs >= keptMs).map(([key]) => key);
      for (const key of old) unusedAtMs.delete(key);
      return { old, hasYounger: unusedAtMs.size > 0 };
    },
  };
}

function secretsPlacedHere(entry: RouteEntry | undefined, zone: Zone): readonly SecretIdentity[] {
  if (entry?.kind !== "function") return [];
  return entry.versions
    .filter(({ manifest }) => allowsZone(manifest.placement.regions, zone))
    .flatMap(({ secretRevisions = {} }) =>
      Object.entries(secretRevisions).map(([name, revision]) => ({
        tenant: entry.tenant,
        name,
        revision,
      })),
    );
}
