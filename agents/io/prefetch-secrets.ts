import type { Logger } from "pino";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { SecretIdentity } from "#lib/io/secret-envelope.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { versionsPlacedHere } from "../core/versions-placed-here.ts";
import { secretKey, type SecretStore } from "./secret-store.ts";
import { tendTable } from "./tend-table.ts";

/** What could not be fetched is asked for again after this time. */
const RETRY_MS = 5_000;
/** Versions that left the table are still served for a minute, and may have to start an instance. */
const UNUSED_KEPT_MS = 120_000;

/** Keeps the secrets of what may be placed here on disk before anybody calls it, and no others. */
export function prefetchSecrets(
  feed: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  store: SecretStore,
  clock: Clock,
  log: Logger,
): { readonly close: () => Promise<void> } {
  const needs = secretNeeds();
  const fetchMissing = async (signal: AbortSignal): Promise<void> => {
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
    if (feed.table.get() === undefined) return;
    const { old, hasYounger } = needs.unused(store.kept(), clock.nowMs(), UNUSED_KEPT_MS);
    for (const key of old)
      await store.drop(key).catch((error: unknown) => log.warn({ err: error }, "a secret stays"));
    if (hasYounger) dropLater();
  };
  const tender = tendTable({
    feed,
    clock,
    look: (key, entry) => needs.set(key, secretsPlacedHere(entry, zone)),
    act: async (signal) => {
      await fetchMissing(signal);
      await dropUnused();
    },
  });
  const tryAgain = tender.actAgainIn(RETRY_MS);
  const dropLater = tender.actAgainIn(UNUSED_KEPT_MS);
  return { close: tender.close };
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
  const { tenant } = entry;
  return versionsPlacedHere(entry, zone).flatMap(({ secretRevisions = {} }) =>
    Object.entries(secretRevisions).map(([name, revision]) => ({ tenant, name, revision })),
  );
}
