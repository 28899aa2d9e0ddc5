import { strict as assert } from "node:assert";
import { Duplex } from "node:stream";
import type { IWatchRequest, IWatchResponse } from "etcd3";
import { type EtcdFailure, etcdFailure } from "#lib/io/etcd/etcd-failure.ts";
import type { EtcdRole } from "#lib/io/etcd/etcd-role.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** What is asked of etcd, in its own terms. */
export interface WatchStreamQuery {
  readonly key: Buffer;
  readonly range_end: Buffer;
  readonly startRevision: number;
}

export interface WatchStreamOptions {
  readonly role: EtcdRole;
  readonly clock: Clock;
  /** A stream that owes an answer for so long is dead, whatever its connection says. */
  readonly stallMs: number;
  readonly openTimeoutMs: number;
}

/** A stream that ended, and what that says about the member. */
export class BrokenWatch extends Error {
  readonly failure: EtcdFailure;
  constructor(failure: EtcdFailure, cause?: unknown) {
    super(failure.detail, { cause });
    this.failure = failure;
  }
}

/** How often a silent stream is asked for its progress: an answer is then due at once. */
const PROBE_INTERVAL_MS = 900;
const PROBE_CHECK_MS = 300;

/**
 * One stream for one watch: on a shared one, etcd3 lets a refused watch block all after it. Yields what etcd sends, to the message
 * that the revision is compacted, and asks for progress while it is waited for and silent. Throws `BrokenWatch` when it ends. A
 * reader that pauses costs nothing and breaks nothing.
 */
export async function* watchStream(
  { role, clock, stallMs, openTimeoutMs }: WatchStreamOptions,
  { key, range_end, startRevision }: WatchStreamQuery,
  signal: AbortSignal,
): AsyncGenerator<IWatchResponse, void, undefined> {
  const ended = new AbortController();
  const { stream, failed } = await role
    .open(({ client, options }) => client.watchClient.watch(options), clock.nowMs() + openTimeoutMs)
    .catch((cause: unknown) => {
      throw new BrokenWatch(etcdFailure(cause), cause);
    });
  assert(stream instanceof Duplex, "grpc-js streams are Node's");
  const write = (request: IWatchRequest): void => stream.write(request);
  /** Also for a reader that leaves without a word. */
  const end = (): void => {
    ended.abort();
    stream.cancel();
  };
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();

  let waitsSinceMs: number | undefined;
  let isStalled = false;
  const probe = async (): Promise<void> => {
    let probedAtMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      await clock.sleep(PROBE_CHECK_MS, ended.signal);
      if (waitsSinceMs === undefined) continue;
      const nowMs = clock.nowMs();
      const silentMs = nowMs - waitsSinceMs;
      if (silentMs >= stallMs) {
        isStalled = true;
        return end();
      }
      if (silentMs < PROBE_INTERVAL_MS || nowMs - probedAtMs < PROBE_INTERVAL_MS) continue;
      probedAtMs = nowMs;
      write({ progress_request: {} });
    }
  };
  probe().catch(() => undefined);

  try {
    write({
      create_request: {
        key,
        range_end,
        start_revision: startRevision,
        progress_notify: true,
        fragment: true,
      },
    });
    write({ progress_request: {} });
    const responses: AsyncIterator<IWatchResponse> = stream[Symbol.asyncIterator]();
    for (;;) {
      waitsSinceMs = clock.nowMs();
      const next = await responses.next();
      waitsSinceMs = undefined;
      if (next.done === true) throw new Error("the member ended the stream");
      const { canceled, compact_revision, cancel_reason } = next.value;
      if (canceled && compact_revision === "0") throw new Error(cancel_reason);
      yield next.value;
    }
  } catch (cause) {
    const failure: EtcdFailure = isStalled
      ? { kind: "lost", reason: undefined, detail: `etcd was silent for ${stallMs} ms` }
      : etcdFailure(cause);
    if (!signal.aborted) failed(failure);
    throw new BrokenWatch(failure, cause);
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}
