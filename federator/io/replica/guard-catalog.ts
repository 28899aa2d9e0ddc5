import { MeridianError } from "#lib/errors.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { RunningReplica } from "./replica.ts";

type Judge = Pick<RunningReplica, "looked" | "refusal">;

/** Where the refused catalog is named, and what can be done about it. */
const refusalError = ({ code, reason }: NonNullable<ReturnType<Judge["refusal"]>>) =>
  new MeridianError(
    code,
    `This zone does not write to the catalog it finds: ${reason}. It goes on serving what it has; \`meridian catalog status\` tells more.`,
  );

/**
 * The catalog as everybody but the replica gets it: nothing is read from or written to one that is not this federation's. A
 * catalog that is exchanged under a running federator is noticed when its stream breaks.
 */
export function guardCatalog(catalog: Catalog, { looked, refusal }: Judge): Catalog {
  const through = async <T>(
    signal: AbortSignal | undefined,
    call: () => Promise<T>,
  ): Promise<T> => {
    await untilLooked(looked, signal);
    const refused = refusal();
    if (refused !== null) throw refusalError(refused);
    return call();
  };
  return {
    txn: (transaction, signal) => through(signal, () => catalog.txn(transaction, signal)),
    range: (query, signal) => through(signal, () => catalog.range(query, signal)),
    watch: async function* (query, signal) {
      await through(signal, async () => undefined);
      yield* catalog.watch(query, signal);
    },
    grantLease: (ttlMs, signal) => through(signal, () => catalog.grantLease(ttlMs, signal)),
    renewLease: (leaseId, signal) => through(signal, () => catalog.renewLease(leaseId, signal)),
    revokeLease: (leaseId, signal) => through(signal, () => catalog.revokeLease(leaseId, signal)),
    compact: (revision, signal) => through(signal, () => catalog.compact(revision, signal)),
    close: catalog.close,
  };
}

/** The first look ends by the catalog's own deadline. */
async function untilLooked(looked: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return looked;
  signal.throwIfAborted();
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => given.reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await Promise.race([looked, given.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
