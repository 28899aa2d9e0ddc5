import {
  applyWrite,
  type History,
  readPage,
  readRevisions,
  type Revision,
} from "#lib/catalog/history.ts";
import { memoryHistory } from "#lib/catalog/memory-history.ts";
import { catalogOverStore } from "#lib/io/catalog-over-store.ts";
import type { CatalogStore } from "#lib/io/catalog-store.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import { type Host, startHost } from "../engine/host.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import type { VirtualTime } from "../engine/virtual-time.ts";
import { type CatalogTruth, catalogTruth, type TrueRevision } from "./catalog-truth.ts";

/** How long a commit takes to be on disk. */
const COMMIT_MS = { low: 0.5, high: 3 } as const;
/** What `etcdutl snapshot restore --bump-revision` adds, here. */
const RESTORE_BUMP = 1_000;

/** One life of the catalog process. */
export interface ServingCatalog {
  readonly host: Host;
  readonly catalog: Catalog;
  /** Writes called within `run` are that process's. */
  readonly asWriter: <T>(writer: string, run: () => T) => T;
}

/** The catalog and its disk: the production history, over which the process comes and goes. */
export interface SimulatedCatalog {
  /** Undefined while it is down. */
  readonly serving: () => ServingCatalog | undefined;
  readonly truth: (incarnation: string) => CatalogTruth | undefined;
  readonly newestTruth: () => CatalogTruth;
  readonly start: () => void;
  readonly crash: () => void;
  /** While it is down: a disk of a new incarnation, from the records as they stood some revisions ago. */
  readonly restore: (revisionsLost: number) => void;
}

export interface CatalogEvents {
  readonly onRevision: (truth: CatalogTruth, revision: TrueRevision) => void;
  readonly onDied: (host: Host) => void;
}

export function simulateCatalog(
  time: VirtualTime,
  random: SeededRandom,
  { onRevision, onDied }: CatalogEvents,
): SimulatedCatalog {
  const newId = (): string => random.id(12);
  const truths = new Map<string, CatalogTruth>();
  const remember = (truth: CatalogTruth): CatalogTruth => {
    truths.set(truth.incarnation, truth);
    return truth;
  };
  let lives = 0;
  let serving: ServingCatalog | undefined;
  let history = memoryHistory(newId());
  let truth = remember(catalogTruth(history.position().incarnation, { revision: 0, records: [] }));

  return {
    serving: () => serving,
    truth: (incarnation) => truths.get(incarnation),
    newestTruth: () => truth,
    start: () => {
      lives += 1;
      const host = startHost(time, `catalog#${lives}`, 1);
      const its = truth;
      const store = storeOf(host, history, random, (revision) => {
        its.append(revision);
        onRevision(its, revision);
      });
      const catalog = catalogOverStore(store, host.clock, newId);
      serving = { host, catalog, asWriter: store.asWriter };
    },
    crash: () => {
      if (serving === undefined) return;
      const { host } = serving;
      serving = undefined;
      host.kill();
      onDied(host);
    },
    restore: (revisionsLost) => {
      const before = truth;
      const asOf = Math.max(0, before.newest() - revisionsLost);
      const revision = before.newest() + RESTORE_BUMP;
      const leases = history.leases();
      const isKept = ({ leaseId }: CatalogRecord): boolean =>
        leaseId === null || history.hasLease(leaseId);
      const records = [...before.recordsAt(asOf).values()].filter(isKept);
      history = memoryHistory(newId());
      for (const lease of leases) history.addLease(lease);
      history.append({ revision, changes: records.map((record) => ({ kind: "put", record })) });
      history.compact(revision);
      truth = remember(catalogTruth(history.position().incarnation, { revision, records }));
    },
  };
}

function storeOf(
  host: Host,
  history: History,
  random: SeededRandom,
  onRevision: (revision: TrueRevision) => void,
): CatalogStore & Pick<ServingCatalog, "asWriter"> {
  let tell: ((revision: Revision) => void) | undefined;
  let currentWriter: string | null = null;
  return {
    openedAt: history.position(),
    openLeases: history.leases(),
    asWriter: (writer, run) => {
      currentWriter = writer;
      const result = run();
      currentWriter = null;
      return result;
    },
    write: async (write) => {
      const writer = currentWriter;
      await host.clock.sleep(random.between(COMMIT_MS.low, COMMIT_MS.high));
      const outcome = applyWrite(history, write);
      if (outcome.kind === "applied" && outcome.changes.length > 0) {
        onRevision({ ...outcome, writer });
        tell?.(outcome);
      }
      return outcome;
    },
    page: async (query) => readPage(history, query),
    revisionsAfter: async (revision) => readRevisions(history, revision),
    onRevision: (listener) => {
      tell = listener;
    },
    close: async () => undefined,
  };
}
