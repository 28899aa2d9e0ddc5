import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { judgeLease, type SeenLease } from "../../core/kubernetes/judge-lease.ts";
import { isStatus } from "./cluster-refusal.ts";
import type { Cluster, LeaseRecord } from "./open-cluster.ts";

/** Renewals within one duration: so many may fail before somebody else may take it. */
const RENEWALS_OF_ONE_DURATION = 4;
const POLL_MS = 500;

export interface LeaseOptions {
  readonly name: string;
  readonly durationMs: number;
  /** The same after a restart. */
  readonly holder: string;
  /** Another one after a restart. */
  readonly process: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Somebody else acts now. */
  readonly onLost: () => void;
}

export interface HeldLease {
  readonly name: string;
  readonly uid: string;
  /** Gives it back, so that the next one need not wait. */
  readonly release: () => Promise<void>;
}

/** Resolves when this process is the one that acts; as long as it waits, it asks no more often than twice a second. */
export async function holdLease(
  cluster: Pick<Cluster, "readLease" | "writeLease">,
  options: LeaseOptions,
  signal: AbortSignal,
): Promise<HeldLease> {
  const { clock, durationMs, log, name } = options;
  let record: LeaseRecord | undefined;
  let seen: SeenLease | undefined;
  let isHeld = false;
  let renewedAtMs = 0;

  const look = async (): Promise<void> => {
    record = await cluster.readLease(name);
    if (record?.resourceVersion === seen?.resourceVersion) return;
    seen = record === undefined ? undefined : { ...record, unchangedSinceMs: clock.nowMs() };
  };
  const write = async (holder: string): Promise<void> => {
    const beganAtMs = clock.nowMs();
    const { process } = options;
    record = await cluster.writeLease(name, { holder, process, durationMs }, record);
    renewedAtMs = beganAtMs;
  };
  /** False: somebody else wrote in between, or has it. */
  const step = async (): Promise<boolean> => {
    await look();
    const next = judgeLease(seen, options, isHeld, clock.nowMs());
    if (next.kind === "wait" || next.kind === "lost") return false;
    try {
      await write(options.holder);
      return true;
    } catch (error) {
      if (isStatus(error, 409)) return false;
      throw error;
    }
  };

  let isWaitTold = false;
  while (!(await step())) {
    if (!isWaitTold)
      log.info({ holder: seen?.holder }, "another agent acts; waiting for its lease");
    isWaitTold = true;
    await clock.sleep(POLL_MS, signal);
  }
  isHeld = true;
  const stopping = new AbortController();
  const keep = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await clock.sleep(durationMs / RENEWALS_OF_ONE_DURATION, stopping.signal);
      const isRenewed = await step().catch((error: unknown) => {
        log.warn({ err: error }, "the lease could not be renewed");
        // While nobody can ask the API, nobody can take it either: only an answer tells that it is lost.
        return true;
      });
      if (!isRenewed && !stopping.signal.aborted) return options.onLost();
    }
  };
  const keeping = keep().catch(() => undefined);
  return {
    name,
    uid: record?.uid ?? "",
    release: async () => {
      stopping.abort();
      await keeping;
      // One that is long overdue may be another's by now.
      if (clock.nowMs() - renewedAtMs < durationMs) await write("").catch(() => undefined);
    },
  };
}
