import { randomUUID } from "node:crypto";
import { applyWrite, readPage, readRevisions, type Revision } from "#lib/catalog/history.ts";
import { memoryHistory } from "#lib/catalog/memory-history.ts";
import { catalogOverStore } from "#lib/io/catalog-over-store.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** The catalog of one process and one life, with all that the port promises but durability. */
export function createMemoryCatalog({
  clock,
  newId = randomUUID,
}: {
  readonly clock: Clock;
  /** Names the incarnation and the leases; a simulation brings its own. */
  readonly newId?: () => string;
}): Catalog {
  const history = memoryHistory(newId());
  let tell: ((revision: Revision) => void) | undefined;
  return catalogOverStore(
    {
      openedAt: history.position(),
      openLeases: [],
      write: async (write) => {
        const outcome = applyWrite(history, write);
        if (outcome.kind === "applied" && outcome.changes.length > 0) tell?.(outcome);
        return outcome;
      },
      page: async (query) => readPage(history, query),
      revisionsAfter: async (revision) => readRevisions(history, revision),
      onRevision: (listener) => {
        tell = listener;
      },
      close: async () => undefined,
    },
    clock,
    newId,
  );
}
