import {
  decodeTransaction,
  encodeTransaction,
  type TransactionMark,
} from "#lib/io/etcd/encode-transaction.ts";
import { etcdAmbiguous, etcdError, type EtcdFailure } from "#lib/io/etcd/etcd-failure.ts";
import type { EtcdKeys } from "#lib/io/etcd/etcd-keys.ts";
import type { CallLimits, EtcdRole } from "#lib/io/etcd/etcd-role.ts";
import type { WriteMark, WriteMarks } from "#lib/io/etcd/write-marks.ts";
import type { Transaction, TxnResult } from "#lib/ports/catalog.ts";

const TAKEN: EtcdFailure = {
  kind: "lost",
  reason: undefined,
  detail: "another process writes under this one's name",
};

export type Write = (transaction: Transaction, limits: CallLimits) => Promise<TxnResult>;

/**
 * Makes each transaction once or not at all. A sending whose fate is unknown is never repeated: its fate is learnt first, and only
 * what is proven not to have been made, nor to be made any more, is sent again while there is time.
 */
export function etcdWrites(role: EtcdRole, keys: EtcdKeys, marks: WriteMarks): Write {
  const writeUnder = async (
    mark: WriteMark,
    transaction: Transaction,
    limits: CallLimits,
  ): Promise<TxnResult> => {
    const sentIds = new Set<string>();
    for (let failures = 1; ; failures++) {
      const modRevision = mark.modRevision ?? (await marks.claim(mark, limits));
      const id = marks.newId();
      sentIds.add(id);
      const sending: TransactionMark = { key: mark.key, modRevision, nextValue: Buffer.from(id) };
      const request = encodeTransaction(transaction, keys, sending);
      const sent = await role.send(
        ({ client, options }) => client.kv.txn(request, options),
        limits.endsAtMs,
      );
      if (sent.kind === "answered") {
        const answer = decodeTransaction(sent.answer, transaction, sending);
        if (answer.kind !== "mark-taken") {
          const { markRevision, ...result } = answer;
          mark.modRevision = markRevision;
          return result;
        }
        mark.modRevision = undefined;
        if (sentIds.has(answer.markValue))
          return { kind: "committed", revision: answer.markRevision };
        await role.pause(failures, limits, TAKEN);
        continue;
      }
      const { failure, cause } = sent;
      if (failure.kind === "lost") {
        const fate = await marks.learnFate(mark, { modRevision, id }, limits);
        if (fate.kind === "committed") return fate;
      }
      if (failure.kind === "refused" && failure.reason !== "busy") throw etcdError(failure, cause);
      await role.pause(failures, limits, failure);
    }
  };

  return async (transaction, limits) => {
    const mark = await marks.take(limits);
    const { signal } = limits;
    // A caller who leaves is told so at once; what became of the write is still learnt, so that the mark can be used again.
    const unhurried = { endsAtMs: limits.endsAtMs, signal: undefined };
    const writing = writeUnder(mark, transaction, unhurried).finally(() => marks.giveBack(mark));
    if (signal === undefined) return await writing;

    const givenUp = Promise.withResolvers<never>();
    const giveUp = (): void => givenUp.reject(etcdAmbiguous("the caller gave up"));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      return await Promise.race([writing, givenUp.promise]);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  };
}
