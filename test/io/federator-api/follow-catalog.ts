import type { Catalog } from "#lib/ports/catalog.ts";
import { recordView } from "../../../federator/core/record-view.ts";
import type { Replica } from "../../../federator/ports.ts";

/** A replica without a disk. */
export async function followCatalog(
  catalog: Catalog,
): Promise<{ replica: Replica; stop: () => Promise<void> }> {
  const closing = new AbortController();
  const view = recordView([]);
  const waiters = new Set<() => void>();
  let position = { incarnation: "", revision: 0 };
  const follow = async () => {
    for await (const event of catalog.watch({ prefix: "", afterRevision: 0 }, closing.signal)) {
      if (event.kind === "compacted") return;
      if (event.kind === "revision") view.apply(event.changes);
      position = { incarnation: event.incarnation, revision: event.revision };
      for (const waiter of waiters) waiter();
    }
  };
  const following = follow().catch(() => undefined);
  const replica: Replica = {
    position: () => position,
    ageMs: () => 0,
    get: view.get,
    list: view.list,
    page: (prefix, afterKey, limit) =>
      view
        .list(prefix)
        .filter(({ key }) => key > afterKey)
        .slice(0, limit),
    count: (prefix) => view.list(prefix).length,
    scan: view.list,
    stranded: () => ({ count: 0 }),
    onApplied: () => () => undefined,
    waitFor: (revision, signal) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (position.revision < revision) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
        signal.addEventListener("abort", () => reject(signal.reason));
        check();
      }),
  };
  const { revision } = await catalog.txn({
    compares: [],
    operations: [{ kind: "put", key: "test", value: "1" }],
  });
  await replica.waitFor(revision, AbortSignal.timeout(5_000));
  return {
    replica,
    stop: async () => {
      closing.abort();
      await following;
    },
  };
}
