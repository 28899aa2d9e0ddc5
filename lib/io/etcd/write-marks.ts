import { etcdAmbiguous, etcdUnavailable } from "#lib/io/etcd/etcd-failure.ts";
import { markIs } from "#lib/io/etcd/encode-transaction.ts";
import { toRevision } from "#lib/io/etcd/etcd-keys.ts";
import type { CallLimits, EtcdRole } from "#lib/io/etcd/etcd-role.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** As many writes are on their way at once; so many keys has one writer for ever. */
const MARKS_MAX = 32;
const WAITING_MAX = 2_000;

/**
 * One key of this writer's own, outside the catalog. `modRevision` is what this process knows it was last written at; undefined
 * until it is claimed and after somebody else wrote it.
 */
export interface WriteMark {
  readonly key: Buffer;
  modRevision: number | undefined;
}

/** What became of a write whose answer was lost. */
export type WriteFate =
  | { readonly kind: "committed"; readonly revision: number }
  | { readonly kind: "not-made" };

export interface WriteMarks {
  /** A mark for one write at a time; give it back when nothing more is to be learnt. */
  readonly take: (limits: CallLimits) => Promise<WriteMark>;
  readonly giveBack: (mark: WriteMark) => void;
  /** Makes the mark this process's: what was sent under it before can then no longer be made. Changes no record. */
  readonly claim: (mark: WriteMark, limits: CallLimits) => Promise<number>;
  /** Fails with MERIDIAN_WRITE_AMBIGUOUS when the time is over or another process of this name took the mark. */
  readonly learnFate: (
    mark: WriteMark,
    sent: { readonly modRevision: number; readonly id: string },
    limits: CallLimits,
  ) => Promise<WriteFate>;
  /** Never given twice, by any process. */
  readonly newId: () => string;
}

/**
 * How a lost answer is made up for. A transaction T under a mark written last at revision M compares `mod(mark) = M` and puts its own
 * id there. After T's answer was lost, F compares the same and puts another id, else reads the mark. etcd puts T and F in an order:
 * - F succeeds: the mark still was as M left it, so T was not made, and never will be, as M is past.
 * - F fails and reads T's id: T was made, at the revision of the mark.
 * - F fails and reads F's own id: F itself was made before, by a sending whose answer was lost; as in the first case.
 * - F fails and reads anything else: another process claimed the mark, before T or after it. Only this stays unknown.
 */
export function writeMarks(
  role: EtcdRole,
  clock: Clock,
  { folder, processId }: { readonly folder: string; readonly processId: string },
): WriteMarks {
  const free: WriteMark[] = Array.from({ length: MARKS_MAX }, (_, index) => ({
    key: Buffer.from(`${folder}${String(MARKS_MAX - 1 - index).padStart(2, "0")}`, "latin1"),
    modRevision: undefined,
  }));
  const waiting = new Set<(mark: WriteMark) => void>();
  let ids = 0;
  const newId = (): string => `${processId}/${++ids}`;

  /** Puts the value if the mark is as the revision left it. May be sent again: the value tells of an earlier sending. */
  const overwrite = async (
    { key }: WriteMark,
    modRevision: number,
    value: string,
    limits: CallLimits,
  ) => {
    const { header, succeeded, responses } = await role.repeat(
      ({ client, options }) =>
        client.kv.txn(
          {
            compare: [markIs(key, modRevision)],
            success: [{ request_put: { key, value: Buffer.from(value) } }],
            failure: [{ request_range: { key } }],
          },
          options,
        ),
      limits,
    );
    if (succeeded) return { value, revision: toRevision(header.revision) };
    const found = responses[0]?.response_range.kvs[0];
    return {
      value: found?.value.toString() ?? "",
      revision: toRevision(found?.mod_revision ?? "0"),
    };
  };

  return {
    newId,
    take: async ({ endsAtMs, signal }) => {
      const mark = free.pop();
      if (mark !== undefined) return mark;
      if (waiting.size >= WAITING_MAX)
        throw etcdUnavailable("Too many writes are waiting for the catalog; nothing was changed.");
      const turn = Promise.withResolvers<WriteMark>();
      const giveUp = new AbortController();
      const stop = (): void => giveUp.abort();
      signal?.addEventListener("abort", stop, { once: true });
      waiting.add(turn.resolve);
      clock.sleep(Math.max(0, endsAtMs - clock.nowMs()), giveUp.signal).then(stop, () => undefined);
      giveUp.signal.addEventListener("abort", () =>
        turn.reject(etcdUnavailable("The change was not made: no turn came for it in time.")),
      );
      try {
        return await turn.promise;
      } finally {
        waiting.delete(turn.resolve);
        signal?.removeEventListener("abort", stop);
        giveUp.abort();
      }
    },
    giveBack: (mark) => {
      const [next] = waiting;
      if (next === undefined) return void free.push(mark);
      waiting.delete(next);
      next(mark);
    },
    claim: async (mark, limits) => {
      const id = newId();
      for (let expected = 0; ;) {
        const written = await overwrite(mark, expected, id, limits);
        expected = written.revision;
        if (written.value !== id) continue;
        mark.modRevision = written.revision;
        return written.revision;
      }
    },
    learnFate: async (mark, sent, limits) => {
      mark.modRevision = undefined;
      const id = newId();
      const written = await overwrite(mark, sent.modRevision, id, limits).catch(
        (error: unknown) => {
          throw etcdAmbiguous("and could not be asked in time what became of it", error);
        },
      );
      const isCommitted = written.value === sent.id;
      if (!isCommitted && written.value !== id)
        throw etcdAmbiguous("another process with this writer's name took over");
      mark.modRevision = written.revision;
      return isCommitted ? { kind: "committed", revision: written.revision } : { kind: "not-made" };
    },
  };
}
