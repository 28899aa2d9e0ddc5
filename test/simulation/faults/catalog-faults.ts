import type { Fault } from "./fault.ts";

const MINUTE_MS = 60_000;

export const catalogFaults: readonly Fault[] = [
  { name: "catalog crash", lastsMs: { low: 200, high: 15_000 }, begin: stop },
  { name: "catalog gone for a minute", lastsMs: { low: MINUTE_MS, high: MINUTE_MS }, begin: stop },
  {
    name: "catalog frozen",
    lastsMs: { low: 200, high: 8_000 },
    begin: ({ catalog }) => {
      const host = catalog.serving()?.host;
      host?.freeze();
      return () => host?.thaw();
    },
  },
  {
    name: "compaction",
    lastsMs: { low: 100, high: 1_000 },
    begin: ({ catalog }) => {
      const kept = catalog.newestTruth().newest();
      catalog
        .serving()
        ?.catalog.compact(kept)
        .catch(() => undefined);
      return () => undefined;
    },
  },
  {
    name: "catalog moved to a new incarnation",
    lastsMs: { low: 500, high: 5_000 },
    begin: ({ catalog }) => {
      catalog.crash();
      catalog.restore(0);
      return () => {
        if (catalog.serving() === undefined) catalog.start();
      };
    },
  },
];

function stop({ catalog }: Parameters<Fault["begin"]>[0]): () => void {
  catalog.crash();
  return () => {
    if (catalog.serving() === undefined) catalog.start();
  };
}
